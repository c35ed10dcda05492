/**
 * The table's side of an audit: what it holds, hour by hour, as multisets that can be compared with the log.
 * Owns: sums and rows of one snapshot, read with SQL and apart from the code that writes the table. Does not own: the comparison.
 *
 * The checksum of a row is the number that the first 15 hexadecimal digits of an MD5 make, that of the UTF-8 text of
 * city, U+001F, temperature; a NULL stands as U+001E. Neither character can be in what was logged, so no two records of
 * the log have one text. The checksum of some rows is the exact sum of theirs: no order, and a row twice counts twice.
 */
import { hash } from "node:crypto"
import { Context, type Effect, type Option, Schema, type Scope, type Stream } from "effect"
import type { Position } from "./EventLog.ts"
import type { QueryError } from "./Query.ts"
import type { SinkCommitsUnavailable } from "./SinkCommits.ts"

export interface Sum {
  readonly rows: number
  readonly checksum: bigint
}

/** Null is a row without an hour; a table that was damaged may hold anything. */
export type TableHour = string | null

interface TableRecord {
  readonly city: string | null
  readonly temperature: string | null
  /** How many rows are like this; less than none where others deleted more of them than there were. */
  readonly rows: number
}

/** Rows of an hour: those whose checksum modulo `of` is one of `slices`. */
interface Slices {
  readonly of: number
  readonly slices: ReadonlyArray<number>
}

/** Sums of an hour. */
interface HourSum extends Sum {
  /** Rows that other programs added, less those that they deleted: the table has so many more than the sum. */
  readonly byOthers?: number | undefined
}

/** What another program than the sink has committed to the table. */
export interface OtherChange {
  readonly snapshotId: string
  /** As it names itself, such as spark. */
  readonly by: string
  readonly added: number
  readonly deleted: number
}

/** As "snapshot 4711 by spark, +1 −0 rows". */
export const describeChange = ({ added, by, deleted, snapshotId }: OtherChange) =>
  `snapshot ${snapshotId} by ${by}, +${added.toLocaleString("en-US")} −${deleted.toLocaleString("en-US")} rows`

export interface OtherChanges {
  /** Oldest first. */
  readonly changes: ReadonlyArray<OtherChange>
  /** Sentences that say what cannot be known, and so counts as missing or extra. */
  readonly unknown: ReadonlyArray<string>
}

/** The table at one snapshot. Its sums and records are without what other programs are known to have changed. */
export interface TableView {
  readonly snapshotId: string
  /** The log that the table is made from, where the table tells. */
  readonly logId: Option.Option<string>
  /** How far the log is in it, where the table tells: the next position of each partition. */
  readonly committed: Option.Option<ReadonlyArray<Position>>
  readonly others: Effect.Effect<OtherChanges, TableChecksumsError>
  /** Sums of each hour. */
  readonly hours: Effect.Effect<ReadonlyMap<TableHour, HourSum>, TableChecksumsError>
  /** Sums of each slice of an hour that has rows. */
  readonly slices: (ts: TableHour, of: number) => Effect.Effect<ReadonlyMap<number, Sum>, TableChecksumsError>
  /** The different records of these slices. */
  readonly records: (ts: TableHour, slices: Slices) => Stream.Stream<TableRecord, TableChecksumsError>
}

/** The engine's answer is not what was asked for. */
export class ChecksumsUnreadable extends Schema.TaggedError<ChecksumsUnreadable>()("ChecksumsUnreadable", {
  cause: Schema.Defect()
}) {
  override get message() {
    return "The query engine's answer cannot be read; this is a fault of Floe."
  }
}

export type TableChecksumsError = QueryError | ChecksumsUnreadable

export class TableChecksums extends Context.Service<
  TableChecksums,
  {
    /** The newest snapshot, held until the scope closes; none if there is no table yet. */
    readonly view: Effect.Effect<Option.Option<TableView>, TableChecksumsError | SinkCommitsUnavailable, Scope.Scope>
  }
>()("floe/services/TableChecksums") {}

/** Digits of the hexadecimal MD5 that count: 60 bits, which every engine has a number for. */
export const checksumDigits = 15
export const separator = "\u001f"
export const nullText = "\u001e"

/** The checksum of one record. */
export const checksumOf = ({ city, temperature }: { readonly city: string; readonly temperature: string }) =>
  BigInt(`0x${hash("md5", `${city}${separator}${temperature}`).slice(0, checksumDigits)}`)
