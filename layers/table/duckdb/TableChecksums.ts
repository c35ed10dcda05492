import { Effect, Layer, Option, Schema, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { QueryUnavailable } from "../../../services/Query.ts"
import { ChecksumsUnreadable, TableChecksums, type TableView } from "../../../services/TableChecksums.ts"
import * as LogProgress from "../iceberg/logProgress.ts"
import { repairAdvice } from "../iceberg/repairAdvice.ts"
import { withLeasedSnapshot } from "../iceberg/SnapshotLease.ts"
import { readScan } from "../iceberg/TableScan.ts"
import { checksum, hourIs } from "./checksumSql.ts"
import * as otherRows from "./otherRows.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { logRows, type TableRows } from "./tableRows.ts"

/** The engine returns numbers beyond 2^53 as text. */
const Whole = Schema.Union([Schema.Int, Schema.String.check(Schema.isPattern(/^-?\d+$/))])
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Whole, Whole, Whole])
const SliceRow = Schema.Tuple([Whole, Whole, Whole])
const RecordRow = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String), Whole])

/** With rows of other programs, each row has the weight `n`; without them, each counts once. */
const aggregates = (hasOthers: boolean) => ({
  count: hasOthers ? "sum(n)::BIGINT" : "count(*)",
  sum: hasOthers ? `sum(n * ${checksum})` : `sum(${checksum})`,
  byOthers: hasOthers ? "coalesce(-sum(n) FILTER (WHERE other IS NOT NULL), 0)::BIGINT" : "0"
})

const unknownOf = ({ cutAt, unreadable }: otherRows.Others) => [
  ...unreadable.map(
    ({ by, snapshotId }) =>
      `Snapshot ${snapshotId} by ${by} changed rows, and it is unknown which: the files that record it have expired, or Floe cannot read them.`
  ),
  ...(cutAt === undefined
    ? []
    : [
        `The snapshots before ${cutAt} have expired, so changes of other writers in them cannot be distinguished from lost rows.`
      ])
]

const failing = (error: Error, advice = "") =>
  Effect.fail(new QueryUnavailable({ reason: `${error.message.replace(/\.$/, "")}${advice}`, cause: error }))
const unavailable = (error: Error) => failing(error)

const viewOf = (
  { metadata, snapshot }: Effect.Success<ReturnType<typeof withLeasedSnapshot>>,
  table: TableRows,
  others: otherRows.Others
): TableView => {
  const progress = LogProgress.at(metadata, snapshot)
  const hasOthers = others.rows.length > 0
  const { byOthers, count, sum } = aggregates(hasOthers)
  const source = hasOthers ? otherRows.undoing(others.rows, table) : table
  const rows = <A>(schema: Schema.Codec<A, unknown>, sql: string) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const engine = yield* QueryEngine.open(source)
        return (yield* engine.execute(sql)).rows
      })
    ).pipe(
      Stream.mapArrayEffect((rows) =>
        Schema.decodeUnknownEffect(Schema.NonEmptyArray(schema))(rows).pipe(
          Effect.mapError((cause) => new ChecksumsUnreadable({ cause }))
        )
      )
    )
  const all = <A>(schema: Schema.Codec<A, unknown>, sql: string) => Stream.runCollect(rows(schema, sql))
  const sumOf = (rows: number | string, checksum: number | string) => ({
    rows: Number(rows),
    checksum: BigInt(checksum)
  })

  return {
    snapshotId: String(snapshot["snapshot-id"]),
    logId: Option.map(progress, ({ logId }) => logId),
    committed: Option.map(progress, ({ offset }) => [{ partition: 0, offset }]),
    others: otherRows.count(others.rows).pipe(
      Effect.catchTag("SchemaError", (cause) => Effect.fail(new ChecksumsUnreadable({ cause }))),
      Effect.map((changes) => ({ changes, unknown: unknownOf(others) }))
    ),
    hours: Effect.map(
      all(HourRow, `SELECT ts, ${count}, ${sum}, ${byOthers} FROM weather GROUP BY ts`),
      (hours) =>
        new Map(hours.map(([ts, rows, checksum, more]) => [ts, { ...sumOf(rows, checksum), byOthers: Number(more) }]))
    ),
    slices: (ts, of) =>
      Effect.map(
        all(
          SliceRow,
          `SELECT ${checksum} % ${of} AS slice, ${count}, ${sum} FROM weather WHERE ${hourIs(ts)} GROUP BY slice`
        ),
        (slices) => new Map(slices.map(([slice, rows, checksum]) => [Number(slice), sumOf(rows, checksum)]))
      ),
    records: (ts, { of, slices }) =>
      rows(
        RecordRow,
        `SELECT city, temperature, ${count} FROM weather WHERE ${hourIs(ts)} AND ${checksum} % ${of} IN (${slices.join()})
        GROUP BY city, temperature HAVING ${count} <> 0`
      ).pipe(Stream.map(([city, temperature, rows]) => ({ city, temperature, rows: Number(rows) })))
  }
}

export const layer = Layer.effect(
  TableChecksums,
  Effect.gen(function* () {
    const { table } = yield* DataFolder
    const leases = yield* Leases

    const view = Effect.gen(function* () {
      const held = yield* withLeasedSnapshot(table, undefined)
      const rows = yield* logRows(table, yield* readScan(table, held))
      return Option.some(viewOf(held, rows, yield* otherRows.find(table, held)))
    }).pipe(
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: unavailable,
        TableBroken: (error) => failing(error, repairAdvice(error)),
        SnapshotMissing: unavailable
      }),
      Effect.provideService(Leases, leases),
      Effect.withSpan("TableChecksums.view")
    )

    return TableChecksums.of({ view })
  })
)
