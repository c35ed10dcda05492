/**
 * Backups of the embedded profile's data folder.
 * Owns: what a backup holds, making one while everything runs, restoring one. Does not own: where and how many backups are kept.
 */
import { Context, type Effect, Schema } from "effect"
import type { DataFolderUnusable } from "./DataFolder.ts"

const BackupFile = Schema.Struct({
  /** Below the backup's folder, as in the data folder. */
  path: Schema.String.check(Schema.isPattern(/^(?!\/)(?!(.*\/)?\.\.(\/|$))/u)),
  bytes: Schema.Int,
  sha256: Schema.String
})
export type BackupFile = typeof BackupFile.Type

/** `offset`: how far the log is in the table, if it records that. */
const BackedUpTable = Schema.NullOr(Schema.Struct({ snapshotId: Schema.String, offset: Schema.NullOr(Schema.Int) }))

export const BackupManifest = Schema.Struct({
  format: Schema.Literal(1),
  /** The version of Floe that made it. */
  version: Schema.String,
  /** ISO 8601. */
  createdAt: Schema.String,
  /** `end`: the offset that the next event would get. */
  log: Schema.Struct({ id: Schema.String, end: Schema.Int }),
  /** Of weather. Null if there was no table, or only the log was backed up. */
  table: BackedUpTable,
  /** The same of the other streams, by name; absent if there are none. */
  streams: Schema.optionalKey(Schema.Record(Schema.String, Schema.Struct({ end: Schema.Int, table: BackedUpTable }))),
  /** Whether weather was paused on request. */
  paused: Schema.Boolean,
  /** The other streams that were; absent if none was. */
  pausedStreams: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The processors that were; absent if none was. */
  pausedProcessors: Schema.optionalKey(Schema.Array(Schema.String)),
  files: Schema.Array(BackupFile)
})
export type BackupManifest = typeof BackupManifest.Type

/** There is no backup at the target, and the data folder is untouched. */
export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", {
  /** What is wrong and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `No backup was made: ${this.reason}.`
  }
}

/** The data folder is still empty, and the backup is untouched. */
export class RestoreFailed extends Schema.TaggedError<RestoreFailed>()("RestoreFailed", {
  /** What is wrong and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Nothing was restored: ${this.reason}.`
  }
}

/** The backup is in place, but its log and table were not compared. */
export class RestoreUnverified extends Schema.TaggedError<RestoreUnverified>()("RestoreUnverified", {
  folder: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The backup is in place in ${this.folder}, but its log and table could not be compared: ${this.reason} Run floe audit on it.`
  }
}

/** The copy's log compared with its table, up to the table's position in the log: the sums of all streams. */
export interface CopyAudit {
  readonly logged: number
  readonly inTable: number
  readonly missing: number
  readonly extra: number
}

export interface BackupOptions {
  /** Leave out the table, which the sink rebuilds from the log. */
  readonly logOnly: boolean
  /** Read the whole copy, and compare its log with its table. */
  readonly verify: boolean
  /** Called often with the current step, for example "copying the log, 12 %". */
  readonly onProgress: (step: string) => void
}

export interface CreatedBackup {
  /** Absolute. */
  readonly folder: string
  readonly manifest: BackupManifest
  /** Null if it was not requested, or there is no table. */
  readonly audit: CopyAudit | null
}

export interface RestoredBackup {
  /** The data folder; absolute. */
  readonly folder: string
  readonly manifest: BackupManifest
  /** The id that the log has now. */
  readonly logId: string
  readonly audit: CopyAudit | null
}

export class Backup extends Context.Service<
  Backup,
  {
    /** Makes a consistent copy in a new or empty folder, while programs run. */
    readonly create: (folder: string, options: BackupOptions) => Effect.Effect<CreatedBackup, BackupFailed>
    /** Restores a backup into an empty data folder: the one at `into`, or that of the settings. */
    readonly restore: (
      folder: string,
      into: string | undefined,
      onProgress: (step: string) => void
    ) => Effect.Effect<RestoredBackup, RestoreFailed | RestoreUnverified | DataFolderUnusable>
  }
>()("floe/services/Backup") {}
