import { Effect, Layer, Option, Schema, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { QueryUnavailable } from "../../../services/Query.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import {
  ChecksumsUnreadable,
  TableChecksums,
  type TableView,
  weatherColumns
} from "../../../services/TableChecksums.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { appliedIn } from "../iceberg/evolveSchema.ts"
import * as LogProgress from "../iceberg/logProgress.ts"
import { repairAdvice } from "../iceberg/repairAdvice.ts"
import { withLeasedSnapshot } from "../iceberg/SnapshotLease.ts"
import { readScan } from "../iceberg/TableScan.ts"
import type { RowSql } from "./checksumSql.ts"
import * as otherRows from "./otherRows.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { logRows, type TableRows } from "./tableRows.ts"

/** The engine returns numbers beyond 2^53 as text. */
const Whole = Schema.Union([Schema.Int, Schema.String.check(Schema.isPattern(/^-?\d+$/))])
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Whole, Whole, Whole])
const SliceRow = Schema.Tuple([Whole, Whole, Whole])
const RecordRow = Schema.Tuple([Schema.String, Schema.NullOr(Schema.String), Whole])

/** With rows of other programs, each row has a weight; without them, each counts once. */
const { change, weight } = otherRows
const aggregates = (hasOthers: boolean, { checksum }: RowSql) => ({
  count: hasOthers ? `sum(${weight})::BIGINT` : "count(*)",
  sum: hasOthers ? `sum(${weight} * ${checksum})` : `sum(${checksum})`,
  byOthers: hasOthers ? `coalesce(-sum(${weight}) FILTER (WHERE ${change} IS NOT NULL), 0)::BIGINT` : "0"
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

const readView = (
  { metadata, snapshot }: Effect.Success<ReturnType<typeof withLeasedSnapshot>>,
  stream: AppliedStream,
  table: TableRows,
  others: otherRows.Others
): TableView => {
  const progress = LogProgress.at(metadata, snapshot)
  const hasOthers = others.rows.length > 0
  const { checksum, group, isIn, shown, text } = others.sql
  const { byOthers, count, sum } = aggregates(hasOthers, others.sql)
  const source = hasOthers ? otherRows.undoing(others, table) : table
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
    stream,
    logId: Option.map(progress, ({ logId }) => logId),
    committed: Option.map(progress, ({ offset }) => [{ partition: 0, offset }]),
    others: otherRows.count(others).pipe(
      Effect.catchTag("SchemaError", (cause) => Effect.fail(new ChecksumsUnreadable({ cause }))),
      Effect.map((changes) => ({ changes, unknown: unknownOf(others) }))
    ),
    hours: Effect.map(
      all(HourRow, `SELECT ${group} AS ts, ${count}, ${sum}, ${byOthers} FROM weather GROUP BY ALL`),
      (hours) =>
        new Map(hours.map(([ts, rows, checksum, more]) => [ts, { ...sumOf(rows, checksum), byOthers: Number(more) }]))
    ),
    slices: (ts, of) =>
      Effect.map(
        all(
          SliceRow,
          `SELECT ${checksum} % ${of} AS slice, ${count}, ${sum} FROM weather WHERE ${isIn(ts)} GROUP BY ALL`
        ),
        (slices) => new Map(slices.map(([slice, rows, checksum]) => [Number(slice), sumOf(rows, checksum)]))
      ),
    records: (ts, { of, slices }) =>
      rows(
        RecordRow,
        `SELECT ${text} AS text, any_value(${shown}), ${count} FROM weather
        WHERE ${isIn(ts)} AND ${checksum} % ${of} IN (${slices.join()}) GROUP BY 1 HAVING ${count} <> 0`
      ).pipe(
        Stream.map(([text, row, rows]) => ({
          text,
          shown: row === null ? weatherColumns(text) : { row },
          rows: Number(rows)
        }))
      )
  }
}

export const layer = Layer.effect(
  TableChecksums,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const leases = yield* Leases

    const view = Effect.fn("TableChecksums.view")(
      function* (stream: AppliedStream) {
        const { name } = stream.definition
        const table = name === weatherStream.definition.name ? folder.table : folder.tableAt(name)
        const held = yield* withLeasedSnapshot(table, undefined)
        const current = appliedIn(held.metadata) ?? stream
        const rows = yield* logRows(table, yield* readScan(table, held), current)
        return Option.some(readView(held, current, rows, yield* otherRows.find(table, held, current)))
      },
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: unavailable,
        TableBroken: (error) => failing(error, repairAdvice(error)),
        SnapshotMissing: unavailable
      }),
      Effect.provideService(Leases, leases)
    )

    return TableChecksums.of({ view })
  })
)
