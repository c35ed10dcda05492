import { Effect, Layer, Option, Schema, Stream } from "effect"
import { Query, QueryUnavailable } from "../../services/Query.ts"
import { SinkCommits } from "../../services/SinkCommits.ts"
import type { TableUnavailable } from "../../services/Table.ts"
import { type TableMissing, weather } from "../../services/TableReader.ts"
import {
  checksumDigits,
  nullText,
  separator,
  type TableHour,
  TableSums,
  type TableView
} from "../../services/TableSums.ts"
import * as LogId from "./LogId.ts"
import * as OtherWriters from "./OtherWriters.ts"
import * as Rows from "./Rows.ts"
import * as Snapshots from "./Snapshots.ts"

const character = (text: string) => `U&'\\${text.charCodeAt(0).toString(16).padStart(4, "0")}'`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const text = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`
export const checksum = `from_base(substr(to_hex(md5(to_utf8(${text}))), 1, ${checksumDigits}), 16)`
/** A sum of bigint would be too small for some thousand rows. */
export const sum = `sum(CAST(${checksum} AS decimal(38, 0)))`
export const hourIs = (ts: TableHour) => (ts === null ? "ts IS NULL" : `ts = ${Rows.literal(ts)}`)

/** A sum may have more digits than a number keeps. */
const Digits = Schema.String.check(Schema.isPattern(/^\d+$/))
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Rows.Whole, Digits])
const SliceRow = Schema.Tuple([Rows.Whole, Rows.Whole, Digits])
const RecordRow = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String), Rows.Whole])

const table = weather

const included = "What the other writers changed is among the rows that are missing and too many."

export const layer = Layer.effect(
  TableSums,
  Effect.gen(function* () {
    const query = yield* Query
    const sinkCommits = yield* SinkCommits

    /** Why a snapshot cannot be read: one that expires takes its files with it, which engines say in many ways. */
    const reasonOf = Effect.fnUntraced(function* (snapshotId: string, error: TableUnavailable | TableMissing) {
      const isKept = yield* Snapshots.read(query, table).pipe(
        Effect.map((snapshots) => snapshots.some(({ id }) => id === snapshotId)),
        Effect.orElseSucceed(() => true)
      )
      const reason = `its snapshot ${snapshotId} has expired while it was read; run it again`
      return yield* isKept ? Rows.asQueryError(error) : new QueryUnavailable({ reason, cause: error })
    })

    const viewOf = (snapshotId: string, logId: TableView["logId"], committed: TableView["committed"]): TableView => {
      const from = `FROM iceberg.default.${table} FOR VERSION AS OF BIGINT '${snapshotId}'`
      const read = <A>(row: Schema.Codec<A, unknown>, sql: string) =>
        Rows.stream(query, { table, operation: "comparing it with the log", row }, sql).pipe(
          Stream.catch((error) => Stream.fromEffect(reasonOf(snapshotId, error)))
        )
      const sums = <K>(row: Schema.Codec<readonly [K, number, string], unknown>, sql: string) =>
        read(row, sql).pipe(
          Stream.map(([key, rows, checksum]) => [key, { rows, checksum: BigInt(checksum) }] as const),
          Stream.runCollect,
          Effect.map((all) => new Map(all))
        )
      return {
        snapshotId,
        logId,
        committed,
        others: OtherWriters.find(query).pipe(
          Effect.map((found) => ({
            changes: found.map(({ snapshot, ...change }) => ({ ...change, snapshotId: snapshot })),
            unknown: found.length === 0 ? [] : [included]
          })),
          Effect.mapError(Rows.asQueryError)
        ),
        hours: sums(HourRow, `SELECT ts, count(*), ${sum} ${from} GROUP BY ts`),
        slices: (ts, of) =>
          sums(SliceRow, `SELECT ${checksum} % ${of}, count(*), ${sum} ${from} WHERE ${hourIs(ts)} GROUP BY 1`),
        records: (ts, { of, slices }) =>
          read(
            RecordRow,
            `SELECT city, temperature, count(*) ${from} WHERE ${hourIs(ts)} AND ${checksum} % ${of} IN (${slices.join()}) GROUP BY city, temperature`
          ).pipe(Stream.map(([city, temperature, rows]) => ({ city, temperature, rows })))
      }
    }

    const view = Effect.gen(function* () {
      const line = Snapshots.currentLine(yield* Snapshots.read(query, table))
      const [head] = line
      if (head === undefined) return Option.none<TableView>()
      // What other writers changed after the sink's last commit is for the audit to find.
      const commit = Snapshots.lastSinkCommit(line)
      const logId = yield* LogId.read(query, table)
      if (Option.isNone(commit)) return Option.some(viewOf(head.id, logId, Option.none()))
      const positions = yield* sinkCommits.positions([commit.value])
      return Option.some(viewOf(head.id, logId, Option.fromUndefinedOr(positions.get(commit.value.id))))
    }).pipe(
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: (error) => Effect.fail(Rows.asQueryError(error))
      }),
      Effect.withSpan("TableSums.view")
    )

    return TableSums.of({ view })
  })
)
