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
import type { AppliedStream, PartitionField, StreamDefinition } from "./StreamDefinition.ts"

export interface Sum {
  readonly rows: number
  readonly checksum: bigint
}

/**
 * The group of a row: weather's hour. Of another stream: the day, hour, month or year of the column that it is partitioned
 * by, as the beginning of that column's canonical text; one group, null, if it is partitioned by no time. Null for weather's
 * rows without an hour: a damaged table may hold anything.
 */
export type TableHour = string | null

/** A row as an audit shows it: weather's columns, or all columns of another stream as one JSON object. */
export type ShownRow = { readonly city: string | null; readonly temperature: string | null } | { readonly row: string }

interface TableRecord {
  readonly shown: ShownRow
  /** Whose checksum is the row's. */
  readonly text: string
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
  /** As the table has it: ahead of the log while a change is being applied, or was interrupted. */
  readonly stream: AppliedStream
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
    /** The newest snapshot of a stream's table, held until the scope closes; none if there is no table yet. */
    readonly view: (
      stream: AppliedStream
    ) => Effect.Effect<Option.Option<TableView>, TableChecksumsError | SinkCommitsUnavailable, Scope.Scope>
  }
>()("floe/services/TableChecksums") {}

/** 60 bits of the MD5, which fit a 64-bit integer in every engine. */
export const checksumDigits = 15
export const separator = "\u001f"
export const nullText = "\u001e"

export const checksumOfText = (text: string) => BigInt(`0x${hash("md5", text).slice(0, checksumDigits)}`)

interface WeatherColumns {
  readonly city: string | null
  readonly temperature: string | null
}

export const weatherText = ({ city, temperature }: WeatherColumns) =>
  `${city ?? nullText}${separator}${temperature ?? nullText}`
/** The columns of a text that {@link weatherText} made. */
export const weatherColumns = (text: string): WeatherColumns => {
  const [city = nullText, temperature = nullText] = text.split(separator)
  const orNull = (column: string) => (column === nullText ? null : column)
  return { city: orNull(city), temperature: orNull(temperature) }
}
export const checksumOf = (record: WeatherColumns) => checksumOfText(weatherText(record))

/** How much of a canonical date or timestamp names its group. */
const groupLengths = { year: 4, month: 7, day: 10, hour: 13 } as const

const isTime = (field: PartitionField): field is PartitionField & { transform: keyof typeof groupLengths } =>
  field.transform in groupLengths

/** The column that groups the rows of a stream other than weather, and how much of its canonical text does. */
export const groupColumn = ({ partitionBy }: StreamDefinition) => {
  const by = partitionBy.find(isTime)
  return by && { column: by.column, transform: by.transform, length: groupLengths[by.transform] }
}
