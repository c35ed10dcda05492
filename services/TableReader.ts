/**
 * A description of an Iceberg table: its columns, snapshots and data files.
 * Owns: describing, listing. Does not own: rows (Query), writing (TableWriter).
 */
import { Context, type Effect, type Option, Schema, type Stream } from "effect"
import { Position } from "./EventLog.ts"
import type { TableBroken, TableUnavailable } from "./TableWriter.ts"

/** A name that every engine accepts unquoted. `weather` is the table that the sink writes. */
export const TableName = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_]{0,63}$/u, {
    message: "expected a table's name: a lowercase letter, then at most 63 lowercase letters, digits or _"
  })
)
export const weather = "weather"

/** How much of the log a table holds. */
const LogPosition = Schema.Struct({
  /** Null if the writer did not record which log it wrote from. */
  logId: Schema.NullOr(Schema.String),
  /** The next offset to read of each partition. */
  positions: Schema.Array(Position)
})

const Count = Schema.NullOr(Schema.Int)

/** Counts are null if the writer did not record them. */
export const TableSnapshot = Schema.Struct({
  /** A 64-bit integer, as text. */
  id: Schema.String,
  parentId: Schema.NullOr(Schema.String),
  /** Milliseconds since 1970. */
  committedAt: Schema.Int,
  /** append, replace, overwrite or delete. */
  operation: Schema.String,
  rowsAdded: Count,
  rowsRemoved: Count,
  filesAdded: Count,
  filesRemoved: Count,
  /** Of the whole table at this snapshot. */
  rows: Count,
  files: Count,
  bytes: Count,
  /** Null if unknown. */
  log: Schema.NullOr(LogPosition)
})
export type TableSnapshot = typeof TableSnapshot.Type

/** When a snapshot became the current one. */
export const HistoryEntry = Schema.Struct({
  /** Milliseconds since 1970. */
  madeCurrentAt: Schema.Int,
  snapshotId: Schema.String,
  parentId: Schema.NullOr(Schema.String),
  isCurrentAncestor: Schema.Boolean
})
export type HistoryEntry = typeof HistoryEntry.Type

export const TableDescription = Schema.Struct({
  /** With its schema: `default.weather`. */
  name: Schema.String,
  /** A folder, or a URL like `s3a://warehouse/default/weather`. */
  location: Schema.String,
  formatVersion: Schema.Int,
  columns: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String, required: Schema.Boolean })),
  /** Each like `ts` or `bucket(4, city)`. */
  partitioning: Schema.Array(Schema.String),
  properties: Schema.Record(Schema.String, Schema.String)
})
export type TableDescription = typeof TableDescription.Type

export const DataFile = Schema.Struct({
  /** Relative to the table's location. */
  path: Schema.String,
  /** Like `ts=2026-01-08-14`. */
  partition: Schema.String,
  rows: Schema.Int,
  bytes: Schema.Int
})
export type DataFile = typeof DataFile.Type

/** The table does not exist, or nothing was committed to it yet. */
export class TableMissing extends Schema.TaggedError<TableMissing>()("TableMissing", {
  table: Schema.String,
  /** What to do, as the end of a sentence. */
  advice: Schema.String
}) {
  override get message() {
    return `There is no table ${this.table} yet; ${this.advice}.`
  }
}

/** A snapshot by its id, or the one that was current at a time in milliseconds since 1970. */
export const AsOf = Schema.TaggedUnion({ Snapshot: { id: Schema.String }, Time: { millis: Schema.Int } })
export type AsOf = typeof AsOf.Type

/** The table has no such snapshot: it never existed, or it has expired. */
export class SnapshotMissing extends Schema.TaggedError<SnapshotMissing>()("SnapshotMissing", {
  asOf: AsOf,
  /** How many snapshots the table has. */
  kept: Schema.Int,
  oldest: Schema.String,
  /** Milliseconds since 1970. */
  oldestAt: Schema.Int
}) {
  override get message() {
    const { asOf } = this
    const asked =
      asOf._tag === "Snapshot"
        ? `There is no snapshot ${asOf.id}: it has expired, or never existed`
        : `No snapshot from ${new Date(asOf.millis).toISOString()} or before is kept`
    const { kept, oldest, oldestAt } = this
    if (kept === 0) return `${asked}. The table has no snapshots.`
    return `${asked}. The table keeps ${kept.toLocaleString("en-US")} ${kept === 1 ? "snapshot" : "snapshots"}, the oldest is ${oldest} of ${new Date(oldestAt).toISOString()}; floe table snapshots lists them.`
  }
}

export type TableReadError = TableMissing | TableUnavailable | TableBroken

export class TableReader extends Context.Service<
  TableReader,
  {
    readonly describe: Effect.Effect<TableDescription, TableReadError>
    /** The current snapshot; none before the first commit. */
    readonly current: Effect.Effect<Option.Option<TableSnapshot>, TableUnavailable | TableBroken>
    /** Newest first. */
    readonly snapshots: Effect.Effect<ReadonlyArray<TableSnapshot>, TableReadError>
    /** Newest first. */
    readonly history: Effect.Effect<ReadonlyArray<HistoryEntry>, TableReadError>
    /** The data files of one snapshot, in chunks. They stay on disk until the stream ends. */
    readonly files: (asOf?: AsOf) => Stream.Stream<DataFile, TableReadError | SnapshotMissing>
  }
>()("floe/services/TableReader") {}
