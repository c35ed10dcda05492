/**
 * The folder with all data of the embedded profile.
 * Owns: the paths in it. Does not own: the files.
 */
import { Context, Schema } from "effect"

/** The data folder cannot be created, read or written. */
export class DataFolderUnusable extends Schema.TaggedError<DataFolderUnusable>()("DataFolderUnusable", {
  path: Schema.String,
  /** The cause and the fix, as the end of a sentence. */
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
    /** The end of the log up to which events were acknowledged, kept outside the log. */
    readonly logHighWaterMark: string
    /** The folder of the processors' files: each is the log of a processor's streams, with its state. */
    readonly processors: string
    /** Held by the one program that runs processors. */
    readonly processorLock: string
    /** Held by the one server that appends to the log. */
    readonly serverLock: string
    /** The address of that server: JSON, written by the server. */
    readonly serverAddress: string
    /** Held by the one sink that writes the table. */
    readonly sinkLock: string
    /** Held by the one command that rebuilds a table from the log. */
    readonly rebuildLock: string
    /** Requests to the sink, and the sink's status: a SQLite database. */
    readonly controlDatabase: string
    /** Leases of running queries on snapshots: one locked file each. */
    readonly leases: string
    /** The last clock step that a program noticed: JSON. */
    readonly clockStep: string
    readonly warehouse: string
    /** The Iceberg table `default.weather`, with `data/` and `metadata/`. */
    readonly table: string
    /** The folder of the table `default.<name>`. */
    readonly tableAt: (name: string) => string
  }
>()("floe/services/DataFolder") {}
