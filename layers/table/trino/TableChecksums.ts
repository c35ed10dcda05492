import { Array as Arr, Effect, Layer, Option, Schema, Stream } from "effect"
import { Query, type QueryError, QueryUnavailable } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import type { TableUnavailable } from "../../../services/Table.ts"
import {
  checksumDigits,
  nullText,
  separator,
  TableChecksums,
  type TableHour,
  type TableView
} from "../../../services/TableChecksums.ts"
import { type TableMissing, weather } from "../../../services/TableReader.ts"
import * as LogId from "./logId.ts"
import * as OtherWriters from "./otherWriters.ts"
import * as Rows from "./rows.ts"
import * as Snapshots from "./snapshots.ts"

const character = (text: string) => `U&'\\${text.charCodeAt(0).toString(16).padStart(4, "0")}'`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const text = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`
export const checksum = `from_base(substr(to_hex(md5(to_utf8(${text}))), 1, ${checksumDigits}), 16)`
/** A sum of bigint would be too small for some thousand rows. */
export const sum = `sum(CAST(${checksum} AS decimal(38, 0)))`
export const hourIs = (ts: TableHour) => (ts === null ? "ts IS NULL" : `ts = ${Rows.literal(ts)}`)

/** A sum may have more digits than a number keeps. */
const Digits = Schema.String.check(Schema.isPattern(/^-?\d+$/))
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Rows.Whole, Digits, Rows.Whole])
const SliceRow = Schema.Tuple([Rows.Whole, Rows.Whole, Digits])
const RecordRow = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String), Rows.Whole])

const table = weather

/** Rows are counted as often as `n` says, where others have written. */
const weighted = {
  count: "sum(n)",
  sum: `sum(CAST(n * ${checksum} AS decimal(38, 0)))`,
  byOthers: "coalesce(-sum(n) FILTER (WHERE other), 0)"
}
const plain = { count: "count(*)", sum, byOthers: "bigint '0'" }

const rowsAt = (snapshotId: string) => `iceberg.default.${table} FOR VERSION AS OF BIGINT '${snapshotId}'`

/** The rows of a snapshot, and those that undo what others have changed: of the snapshot before each of theirs, less its own. */
const without = (others: ReadonlyArray<OtherWriters.OtherSnapshot>, snapshotId: string) => {
  const times = new Map<string, number>()
  const add = (id: string, n: number) => times.set(id, (times.get(id) ?? 0) + n)
  for (const other of others) {
    add(other.parentId, 1)
    add(other.snapshotId, -1)
  }
  const select = (id: string, n: number, other: boolean) =>
    `SELECT city, temperature, ts, ${n} AS n, ${other} AS other FROM ${rowsAt(id)}`
  // One that follows another has its rows as both.
  const undoing = [...times].filter(([, n]) => n !== 0).map(([id, n]) => select(id, n, true))
  return `(${[select(snapshotId, 1, false), ...undoing].join("\nUNION ALL ")})`
}

const unknownOf = (line: ReadonlyArray<Snapshots.Snapshot>) =>
  line
    .slice(-1)
    .filter(({ parentId }) => parentId !== null)
    .map(
      ({ id }) =>
        `The snapshots before ${id} have expired, so what another writer changed in it or in them cannot be told from what is lost.`
    )

export const layer = Layer.effect(
  TableChecksums,
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

    const viewOf = (
      line: Arr.NonEmptyReadonlyArray<Snapshots.Snapshot>,
      logId: TableView["logId"],
      committed: TableView["committed"]
    ): TableView => {
      const snapshotId = line[0].id
      const changes = OtherWriters.among(line)
      const kept = new Set(line.map(({ id }) => id))
      const others = changes.filter(({ parentId }) => kept.has(parentId))
      const { byOthers, count, sum } = others.length === 0 ? plain : weighted
      const from = `FROM ${others.length === 0 ? rowsAt(snapshotId) : without(others, snapshotId)}`
      const read = <A>(row: Schema.Codec<A, unknown>, sql: string) =>
        Rows.stream(query, { table, operation: "comparing it with the log", row }, sql).pipe(
          Stream.catch((error) => Stream.fromEffect(reasonOf(snapshotId, error)))
        )
      const collect = <K, A>(rows: Stream.Stream<readonly [K, A], QueryError>) =>
        Effect.map(Stream.runCollect(rows), (all): ReadonlyMap<K, A> => new Map(all))
      return {
        snapshotId,
        logId,
        committed,
        others: Effect.succeed({
          changes: changes.map(({ parentId: _, ...change }) => change),
          unknown: unknownOf(line)
        }),
        hours: collect(
          read(HourRow, `SELECT ts, ${count}, ${sum}, ${byOthers} ${from} GROUP BY ts`).pipe(
            Stream.map(
              ([ts, rows, checksum, more]) => [ts, { rows, checksum: BigInt(checksum), byOthers: more }] as const
            )
          )
        ),
        slices: (ts, of) =>
          collect(
            read(SliceRow, `SELECT ${checksum} % ${of}, ${count}, ${sum} ${from} WHERE ${hourIs(ts)} GROUP BY 1`).pipe(
              Stream.map(([slice, rows, checksum]) => [slice, { rows, checksum: BigInt(checksum) }] as const)
            )
          ),
        records: (ts, { of, slices }) =>
          read(
            RecordRow,
            `SELECT city, temperature, ${count} ${from} WHERE ${hourIs(ts)} AND ${checksum} % ${of} IN (${slices.join()}) GROUP BY city, temperature HAVING ${count} <> 0`
          ).pipe(Stream.map(([city, temperature, rows]) => ({ city, temperature, rows })))
      }
    }

    const view = Effect.gen(function* () {
      const line = Snapshots.currentLine(yield* Snapshots.read(query, table))
      if (!Arr.isReadonlyArrayNonEmpty(line)) return Option.none<TableView>()
      // What other writers changed after the sink's last commit is for the audit to find.
      const commit = Snapshots.lastSinkCommit(line)
      const logId = yield* LogId.read(query, table)
      if (Option.isNone(commit)) return Option.some(viewOf(line, logId, Option.none()))
      const positions = yield* sinkCommits.positions([commit.value])
      return Option.some(viewOf(line, logId, Option.fromUndefinedOr(positions.get(commit.value.id))))
    }).pipe(
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: (error) => Effect.fail(Rows.asQueryError(error))
      }),
      Effect.withSpan("TableChecksums.view")
    )

    return TableChecksums.of({ view })
  })
)
