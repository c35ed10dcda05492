/**
 * The table's side of an audit: its contents, hour by hour, as multisets that can be compared with the log.
 * Owns: checksums and rows of one snapshot, read with SQL and without the code that writes the table. Does not own: the comparison.
 *
 * A row's checksum is the number formed by the first 15 hexadecimal digits of the MD5 of city, U+001F, temperature in
 * UTF-8, with U+001E for a NULL. No logged record contains either character, so no two different records have the same
 * text. The checksum of several rows is the exact sum of theirs: their order does not matter, and a duplicate counts twice.
 *
 * A row of any other stream has the text of its columns, joined by commas. A missing value is `~`. A string, and json, is its
 * length in UTF-8 bytes, a colon and the string. A float or double is its IEEE 754 bits as a signed integer, because engines
 * print numbers differently. Every other primitive is its canonical text. A struct is its fields in parentheses, a list its
 * elements in brackets, a map its entries `key=value` in braces, sorted by their bytes.
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

/** Null for rows without an hour: a damaged table may hold anything. */
export type TableHour = string | null

interface TableRecord {
  readonly city: string | null
  readonly temperature: string | null
  /** How many rows are equal to this one; negative if other programs deleted more of them than there were. */
  readonly rows: number
}

/** The rows of an hour whose checksum modulo `of` is one of `slices`. */
interface Slices {
  readonly of: number
  readonly slices: ReadonlyArray<number>
}

interface HourSum extends Sum {
  /** Rows that other programs added minus those that they deleted; `rows` and `checksum` leave them out. */
  readonly byOthers?: number | undefined
}

/** A commit of a program other than the sink. */
export interface OtherChange {
  readonly snapshotId: string
  /** The program's own name: `spark`. */
  readonly by: string
  readonly added: number
  readonly deleted: number
}

/** "snapshot 4711 by spark, +1 −0 rows" */
export const describeChange = ({ added, by, deleted, snapshotId }: OtherChange) =>
  `snapshot ${snapshotId} by ${by}, +${added.toLocaleString("en-US")} −${deleted.toLocaleString("en-US")} rows`

export interface OtherChanges {
  /** Oldest first. */
  readonly changes: ReadonlyArray<OtherChange>
  /** Sentences: what cannot be known, and is therefore reported as missing or extra. */
  readonly unknown: ReadonlyArray<string>
}

/** The table at one snapshot. Checksums and records leave out what other programs are known to have changed. */
export interface TableView {
  readonly snapshotId: string
  /** The log that the table was written from, if the table records it. */
  readonly logId: Option.Option<string>
  /** The next position of each partition, if the table records it. */
  readonly committed: Option.Option<ReadonlyArray<Position>>
  readonly others: Effect.Effect<OtherChanges, TableChecksumsError>
  readonly hours: Effect.Effect<ReadonlyMap<TableHour, HourSum>, TableChecksumsError>
  /** One entry per slice of the hour that has rows. */
  readonly slices: (ts: TableHour, of: number) => Effect.Effect<ReadonlyMap<number, Sum>, TableChecksumsError>
  /** The distinct records of these slices. */
  readonly records: (ts: TableHour, slices: Slices) => Stream.Stream<TableRecord, TableChecksumsError>
}

/** The engine's answer does not have the expected shape. */
export class ChecksumsUnreadable extends Schema.TaggedError<ChecksumsUnreadable>()("ChecksumsUnreadable", {
  cause: Schema.Defect()
}) {
  override get message() {
    return "The query engine's answer cannot be read, which is a bug in Floe."
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

/** 60 bits of the MD5, which fit a 64-bit integer in every engine. */
export const checksumDigits = 15
export const separator = "\u001f"
export const nullText = "\u001e"

export const checksumOf = ({ city, temperature }: { readonly city: string; readonly temperature: string }) =>
  BigInt(`0x${hash("md5", `${city}${separator}${temperature}`).slice(0, checksumDigits)}`)
