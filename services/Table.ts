/**
 * The Iceberg table `default.weather` as its one writer sees it.
 * Owns: commits, what is committed, upkeep. Does not own: where events come from (EventLog), reading it with SQL (Query).
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { WeatherRecord } from "./Weather.ts"

/** How far the log is in the table; committed together with the rows. */
export interface Progress {
  readonly logId: string
  /** The next offset to read. */
  readonly offset: number
  /** A digest of the event before `offset`: a log that was put back and went on otherwise has another one there. */
  readonly lastEvent?: string | undefined
}

export interface Committed {
  /** A 64-bit integer, as text. */
  readonly snapshotId: string
  /** Version N of `v<N>.metadata.json`. */
  readonly version: number
  readonly progress: Progress
  /** Rows and data files of the whole table after this commit. */
  readonly rows: number
  readonly files: number
}

/** The table cannot be written now; the same call may be tried again. */
export class TableUnavailable extends Schema.TaggedError<TableUnavailable>()("TableUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The table is unavailable (${this.operation}): ${this.reason}.`
  }
}

/**
 * The table's files contradict each other or the specification, or another engine made of them what Floe does not read;
 * trying again does not help.
 */
export class TableBroken extends Schema.TaggedError<TableBroken>()("TableBroken", {
  file: Schema.String,
  reason: Schema.String,
  /** Whole by the specification, and beyond Floe. */
  unsupported: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return `The table ${this.unsupported ? "cannot be used" : "is broken"}: ${this.file} ${this.reason}.`
  }
}

/**
 * Another program changed the table, and with it how far the log is in it: a commit is gone from it, or was rolled back.
 * What was staged is discarded; the log is to be read again from where the table is now.
 */
export class TableChanged extends Schema.TaggedError<TableChanged>()("TableChanged", {
  /** A sentence. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export interface Upkeep {
  readonly filesCompacted: number
  readonly filesWritten: number
  readonly snapshotsExpired: number
  readonly filesRemoved: number
}

export class TableWriter extends Context.Service<
  TableWriter,
  {
    /** What is committed; none before the first commit. */
    readonly committed: Effect.Effect<Option.Option<Committed>>
    /** Stages rows for the next commit, in memory and in bounded pieces on disk; they are not durable before it. */
    readonly stage: (records: ReadonlyArray<WeatherRecord>) => Effect.Effect<void, TableUnavailable>
    /** Rows staged since the last commit. */
    readonly staged: Effect.Effect<number>
    /** Makes the staged rows and the progress durable and visible in one step. On failure nothing is visible and the rows stay staged. */
    readonly commit: (progress: Progress) => Effect.Effect<Committed, TableUnavailable | TableBroken | TableChanged>
    /** Takes up what other programs have committed since. */
    readonly refresh: Effect.Effect<void, TableUnavailable | TableBroken | TableChanged>
    /** Forgets the rows staged since the last commit. */
    readonly discard: Effect.Effect<void, TableUnavailable>
    /**
     * As `commit`, and in the same step all rows of the table in the folder `from` take the place of all that was
     * committed here. The snapshots before it stay as long as they would anyway, and `from` stays as it is.
     */
    readonly promote: <E = never>(
      from: string,
      progress: Progress,
      /** Asked of the table that is replaced, at the moment it is; nothing is changed if it fails. */
      allowed?: Effect.Effect<void, E>
    ) => Effect.Effect<Committed, TableUnavailable | TableBroken | E>
    /** One bounded piece of upkeep: merges small files, expires snapshots beyond those kept, removes files that nobody needs. Commits go on meanwhile. */
    readonly maintain: Effect.Effect<Upkeep, TableUnavailable | TableBroken>
  }
>()("floe/services/TableWriter") {}
