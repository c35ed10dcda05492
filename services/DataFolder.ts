/**
 * The folder in which the embedded profile keeps everything.
 * Owns: where things are in it. Does not own: the things.
 */
import { Context, Schema } from "effect"

/** The data folder cannot be made, entered or written. */
export class DataFolderUnusable extends Schema.TaggedError<DataFolderUnusable>()("DataFolderUnusable", {
  path: Schema.String,
  /** What is wrong and what to do, as the end of a sentence. */
  reason: Schema.String
}) {
  override get message() {
    return `The data folder ${this.path} cannot be used: ${this.reason}.`
  }
}

/** Absolute paths. */
export class DataFolder extends Context.Service<
  DataFolder,
  {
    readonly root: string
    /** The event log: a SQLite database. */
    readonly log: string
    /** How far the log was acknowledged, written beside it as a witness. */
    readonly logWitness: string
    /** Held by the one server that appends to the log. */
    readonly serverLock: string
    /** Where that server listens, as it wrote it: JSON. */
    readonly serverAddress: string
    /** Held by the one sink that writes the table. */
    readonly sinkLock: string
    /** Held by the one replay that rebuilds a table from the log. */
    readonly replayLock: string
    /** Requests to the sink, and what it says of itself: a SQLite database. */
    readonly control: string
    /** Leases of running queries on snapshots: a locked file for each. */
    readonly leases: string
    /** The last step of the clock that a program noticed. */
    readonly clockStep: string
    readonly warehouse: string
    /** The Iceberg table `default.weather`: `data/` and `metadata/` are in it. */
    readonly table: string
    /** Where the table `default.<name>` is. */
    readonly tableAt: (name: string) => string
  }
>()("floe/services/DataFolder") {}
