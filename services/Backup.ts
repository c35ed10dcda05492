/**
 * Backups of the embedded profile's data folder.
 * Owns: what a backup holds, making one while everything runs, restoring one. Does not own: where backups are kept, how many.
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

export const BackupManifest = Schema.Struct({
  format: Schema.Literal(1),
  /** The version of Floe that made it. */
  version: Schema.String,
  /** ISO 8601. */
  createdAt: Schema.String,
  /** `end`: the offset that the next event would have got. */
  log: Schema.Struct({ id: Schema.String, end: Schema.Int }),
  /** Null if there was no table, or the log alone was wanted. `offset`: how far the log is in it, where it tells. */
  table: Schema.NullOr(Schema.Struct({ snapshotId: Schema.String, offset: Schema.NullOr(Schema.Int) })),
  /** Whether the sink was paused on request. */
  paused: Schema.Boolean,
  files: Schema.Array(BackupFile)
})
export type BackupManifest = typeof BackupManifest.Type

/** No backup is at the target, and the data folder is untouched. */
export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", {
  /** What is wrong and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `No backup was made: ${this.reason}.`
  }
}

/** Nothing is in place in the data folder, and the backup is untouched. */
export class RestoreFailed extends Schema.TaggedError<RestoreFailed>()("RestoreFailed", {
  /** What is wrong and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Nothing was restored: ${this.reason}.`
  }
}

/** The backup is in place, but nothing is known of how log and table compare. */
export class RestoreUnproved extends Schema.TaggedError<RestoreUnproved>()("RestoreUnproved", {
  folder: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The backup is in place in ${this.folder}, but its log and table could not be compared: ${this.reason} Run floe audit on it.`
  }
}

/** The log compared with the table, both in the copy, up to where the table is. */
export interface CopyAudit {
  readonly logged: number
  readonly inTable: number
  readonly missing: number
  readonly extra: number
}

export interface BackupOptions {
  /** Without the table, which the sink makes again from the log. */
  readonly logOnly: boolean
  /** Read the whole copy again and compare its log with its table. */
  readonly verify: boolean
  /** Called often with what is being done. */
  readonly progress: (news: string) => void
}

export interface Backed {
  /** Absolute. */
  readonly folder: string
  readonly manifest: BackupManifest
  /** Null if it was not asked for, or there is no table. */
  readonly audit: CopyAudit | null
}

export interface Restored {
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
    /** A consistent copy in a new or empty folder, made beside running programs. */
    readonly create: (folder: string, options: BackupOptions) => Effect.Effect<Backed, BackupFailed>
    /** Puts a backup into an empty data folder: the one at `into`, or that of the settings. */
    readonly restore: (
      folder: string,
      into: string | undefined,
      progress: (news: string) => void
    ) => Effect.Effect<Restored, RestoreFailed | RestoreUnproved | DataFolderUnusable>
  }
>()("floe/services/Backup") {}
