/**
 * The Iceberg table `default.weather`, as its one writer sees it.
 * Owns: commits, progress, maintenance. Does not own: the source of events (EventLog), SQL over the table (Query).
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { LogRecord } from "./EventLog.ts"
import type { AppliedStream } from "./StreamDefinition.ts"

/** How much of the log the table holds; committed together with the rows. */
export interface Progress {
  readonly logId: string
  /** The next offset to read. */
  readonly offset: number
  /** A digest of the event before `offset`: it differs if the log was restored from a copy and continued differently. */
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

/** The table cannot be read or written now; the same call may be retried. */
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
 * The table's files contradict each other or the specification, or another engine wrote something that Floe cannot read.
 * A retry does not help.
 */
export class TableBroken extends Schema.TaggedError<TableBroken>()("TableBroken", {
  file: Schema.String,
  /** The end of a sentence that begins with the file. */
  reason: Schema.String,
  /** The table is valid, but uses what Floe does not support. */
  unsupported: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return `The table ${this.unsupported ? "cannot be used" : "is broken"}: ${this.file} ${this.reason}.`
  }
}

/**
 * Another program changed the table and its progress: a commit was removed or rolled back. The staged rows are discarded;
 * the log must be read again from the table's new progress.
 */
export class TableChanged extends Schema.TaggedError<TableChanged>()("TableChanged", {
  /** A sentence. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** What one piece of maintenance has done. */
export interface Maintained {
  readonly filesCompacted: number
  readonly filesWritten: number
  readonly snapshotsExpired: number
  readonly filesRemoved: number
}

export class TableWriter extends Context.Service<
  TableWriter,
  {
    /** The last commit; none before the first. */
    readonly committed: Effect.Effect<Option.Option<Committed>>
    /** Stages rows for the next commit, in memory and in bounded pieces on disk. They are durable only with the commit. */
    readonly stage: (records: ReadonlyArray<LogRecord>) => Effect.Effect<void, TableUnavailable>
    /** Rows staged since the last commit. */
    readonly staged: Effect.Effect<number>
    /** Makes the staged rows and the progress durable and visible atomically. On failure nothing is visible and the rows stay staged. */
    readonly commit: (progress: Progress) => Effect.Effect<Committed, TableUnavailable | TableBroken | TableChanged>
    /**
     * Gives the table the columns of a later version of its stream. Rows that are staged already, and those of earlier
     * versions that are staged later, are written under these columns. The same call again completes an interrupted one.
     */
    readonly evolve: (stream: AppliedStream) => Effect.Effect<void, TableUnavailable | TableBroken>
    /** Loads what other programs have committed since. */
    readonly refresh: Effect.Effect<void, TableUnavailable | TableBroken | TableChanged>
    /** Drops the rows staged since the last commit. */
    readonly discard: Effect.Effect<void, TableUnavailable>
    /**
     * Commits like `commit`, and in the same step replaces all rows of this table by the rows of the table in the folder
     * `from`. Older snapshots are kept as usual, and `from` is not changed.
     */
    readonly promote: <E = never>(
      from: string,
      progress: Progress,
      /** A check that runs right before the table is replaced; if it fails, nothing is changed. */
      allowed?: Effect.Effect<void, E>
    ) => Effect.Effect<Committed, TableUnavailable | TableBroken | E>
    /** One bounded piece of maintenance: merges small files, expires snapshots, removes unneeded files. Commits continue meanwhile. */
    readonly maintain: Effect.Effect<Maintained, TableUnavailable | TableBroken>
  }
>()("floe/services/TableWriter") {}
