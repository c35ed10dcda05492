import { Effect, Layer, Option, Schema, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { Leases } from "../../services/Leases.ts"
import { QueryUnavailable } from "../../services/Query.ts"
import {
  checksumDigits,
  nullText,
  separator,
  type TableHour,
  TableSums,
  TableSumsUnreadable,
  type TableView
} from "../../services/TableSums.ts"
import { leased } from "../iceberg/Leased.ts"
import * as LogProgress from "../iceberg/LogProgress.ts"
import type * as Metadata from "../iceberg/Metadata.ts"
import { readFiles, type TableFile } from "../iceberg/TableReader.ts"
import * as QueryEngine from "./QueryEngine.ts"

const character = (text: string) => `chr(${text.codePointAt(0)})`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const text = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`
const checksum = `('0x' || substr(md5(${text}), 1, ${checksumDigits}))::BIGINT`
const hourIs = (ts: TableHour) => (ts === null ? "ts IS NULL" : `ts = '${ts.replaceAll("'", "''")}'`)

/** Beyond 2^53 the engine's numbers come as text. */
const Whole = Schema.Union([Schema.Int, Schema.String.check(Schema.isPattern(/^\d+$/))])
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Whole, Whole])
const SliceRow = Schema.Tuple([Whole, Whole, Whole])
const RecordRow = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String), Whole])

const unavailable = (error: Error) =>
  Effect.fail(new QueryUnavailable({ reason: error.message.replace(/\.$/, ""), cause: error }))

const viewOf = (
  metadata: Metadata.TableMetadata,
  snapshot: Metadata.Snapshot,
  files: ReadonlyArray<TableFile>
): TableView => {
  const progress = LogProgress.at(metadata, snapshot)
  const rows = <A>(schema: Schema.Codec<A, unknown>, sql: string) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const engine = yield* QueryEngine.open(files)
        return (yield* engine.execute(sql)).rows
      })
    ).pipe(
      Stream.mapArrayEffect((rows) =>
        Schema.decodeUnknownEffect(Schema.NonEmptyArray(schema))(rows).pipe(
          Effect.mapError((cause) => new TableSumsUnreadable({ cause }))
        )
      )
    )
  const sums = <K>(schema: Schema.Codec<readonly [K, number | string, number | string], unknown>, sql: string) =>
    rows(schema, sql).pipe(
      Stream.map(([key, rows, checksum]) => [key, { rows: Number(rows), checksum: BigInt(checksum) }] as const),
      Stream.runCollect,
      Effect.map((all) => new Map(all))
    )

  return {
    snapshotId: String(snapshot["snapshot-id"]),
    logId: Option.map(progress, ({ logId }) => logId),
    committed: Option.map(progress, ({ offset }) => [{ partition: 0, offset }]),
    hours: sums(HourRow, `SELECT ts, count(*), sum(${checksum}) FROM weather GROUP BY ts`),
    slices: (ts, of) =>
      sums(
        SliceRow,
        `SELECT ${checksum} % ${of} AS slice, count(*), sum(${checksum}) FROM weather WHERE ${hourIs(ts)} GROUP BY slice`
      ).pipe(Effect.map((sums) => new Map(sums.entries().map(([slice, sum]) => [Number(slice), sum])))),
    records: (ts, { of, slices }) =>
      rows(
        RecordRow,
        `SELECT city, temperature, count(*) FROM weather WHERE ${hourIs(ts)} AND ${checksum} % ${of} IN (${slices.join()}) GROUP BY city, temperature`
      ).pipe(Stream.map(([city, temperature, rows]) => ({ city, temperature, rows: Number(rows) })))
  }
}

export const layer = Layer.effect(
  TableSums,
  Effect.gen(function* () {
    const { table } = yield* DataFolder
    const leases = yield* Leases

    const view = Effect.gen(function* () {
      const held = yield* leased(table, leases, undefined)
      return Option.some(viewOf(held.metadata, held.snapshot, yield* readFiles(table, held)))
    }).pipe(
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: unavailable,
        TableBroken: unavailable,
        SnapshotMissing: unavailable
      }),
      Effect.withSpan("TableSums.view")
    )

    return TableSums.of({ view })
  })
)
