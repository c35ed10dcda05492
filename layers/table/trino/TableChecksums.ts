import { Array as Arr, Effect, Layer, Option, Schema, Stream } from "effect"
import { type Query, type QueryError, QueryUnavailable } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import {
  checksumDigits,
  nullText,
  separator,
  TableChecksums,
  type TableHour,
  type TableView,
  weatherText
} from "../../../services/TableChecksums.ts"
import { type TableMissing, weather } from "../../../services/TableReader.ts"
import type { TableUnavailable } from "../../../services/TableWriter.ts"
import { weatherStream } from "../../../services/Weather.ts"
import * as LogId from "./logId.ts"
import * as OtherWriters from "./otherWriters.ts"
import * as Rows from "./rows.ts"
import * as Snapshots from "./snapshots.ts"

const character = (text: string) => `U&'\\${text.charCodeAt(0).toString(16).padStart(4, "0")}'`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const text = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`
export const checksum = `from_base(substr(to_hex(md5(to_utf8(${text}))), 1, ${checksumDigits}), 16)`
/** A sum of bigints overflows after some thousand rows. */
export const sum = `sum(CAST(${checksum} AS decimal(38, 0)))`
export const hourIs = (ts: TableHour) => (ts === null ? "ts IS NULL" : `ts = ${Rows.literal(ts)}`)

const Digits = Schema.String.check(Schema.isPattern(/^-?\d+$/))
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Rows.Whole, Digits, Rows.Whole])
const SliceRow = Schema.Tuple([Rows.Whole, Rows.Whole, Digits])
const RecordRow = Schema.Tuple([Schema.NullOr(Schema.String), Schema.NullOr(Schema.String), Rows.Whole])

const table = weather

const onlyWeather = (stream: string) =>
  Effect.fail(
    new QueryUnavailable({ reason: `the distributed profile has no stream ${stream}, only weather`, cause: undefined })
  )

const weighted = {
  count: "sum(n)",
  sum: `sum(CAST(n * ${checksum} AS decimal(38, 0)))`,
  byOthers: "coalesce(-sum(n) FILTER (WHERE other), 0)"
}
const plain = { count: "count(*)", sum, byOthers: "bigint '0'" }

const rowsAt = (snapshotId: string) => `iceberg.default.${table} FOR VERSION AS OF BIGINT '${snapshotId}'`

/** SQL for a snapshot's rows without the changes of other writers: for each of their snapshots, adds its parent's rows and subtracts its own. */
const withoutOthers = (others: ReadonlyArray<OtherWriters.OtherSnapshot>, snapshotId: string) => {
  const times = new Map<string, number>()
  const add = (id: string, n: number) => times.set(id, (times.get(id) ?? 0) + n)
  for (const other of others) {
    add(other.parentId, 1)
    add(other.snapshotId, -1)
  }
  const select = (id: string, n: number, other: boolean) =>
    `SELECT city, temperature, ts, ${n} AS n, ${other} AS other FROM ${rowsAt(id)}`
  // Where one of their snapshots follows another, the rows cancel out.
  const undoing = [...times].filter(([, n]) => n !== 0).map(([id, n]) => select(id, n, true))
  return `(${[select(snapshotId, 1, false), ...undoing].join("\nUNION ALL ")})`
}

const unknownOf = (chain: ReadonlyArray<Snapshots.Snapshot>) =>
  chain
    .slice(-1)
    .filter(({ parentId }) => parentId !== null)
    .map(
      ({ id }) =>
        `The snapshots before ${id} have expired, so changes by other writers in it or in them cannot be distinguished from lost rows.`
    )

export const layer = Layer.effect(
  TableChecksums,
  Effect.gen(function* () {
    const services = yield* Effect.context<Query | SinkCommits>()

    const reasonOf = Effect.fnUntraced(function* (snapshotId: string, error: TableUnavailable | TableMissing) {
      const isKept = yield* Snapshots.read(table).pipe(
        Effect.map((snapshots) => snapshots.some(({ id }) => id === snapshotId)),
        Effect.orElseSucceed(() => true)
      )
      const reason = `its snapshot ${snapshotId} expired while it was read; try again`
      return yield* isKept ? Rows.asQueryError(error) : new QueryUnavailable({ reason, cause: error })
    })

    const viewOf = (
      chain: Arr.NonEmptyReadonlyArray<Snapshots.Snapshot>,
      logId: TableView["logId"],
      committed: TableView["committed"]
    ): TableView => {
      const snapshotId = chain[0].id
      const changes = OtherWriters.among(chain)
      const kept = new Set(chain.map(({ id }) => id))
      const others = changes.filter(({ parentId }) => kept.has(parentId))
      const { byOthers, count, sum } = others.length === 0 ? plain : weighted
      const from = `FROM ${others.length === 0 ? rowsAt(snapshotId) : withoutOthers(others, snapshotId)}`
      const read = <A>(row: Schema.Codec<A, unknown>, sql: string) =>
        Rows.stream({ table, operation: "comparing it with the log", row }, sql).pipe(
          Stream.catch((error) => Stream.fromEffect(reasonOf(snapshotId, error))),
          Stream.provideContext(services)
        )
      const collect = <K, A>(rows: Stream.Stream<readonly [K, A], QueryError>) =>
        Effect.map(Stream.runCollect(rows), (all): ReadonlyMap<K, A> => new Map(all))
      return {
        snapshotId,
        stream: weatherStream,
        logId,
        committed,
        others: Effect.succeed({
          changes: changes.map(({ parentId: _, ...change }) => change),
          unknown: unknownOf(chain)
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
          ).pipe(
            Stream.map(([city, temperature, rows]) => ({
              text: weatherText({ city, temperature }),
              shown: { city, temperature },
              rows
            }))
          )
      }
    }

    const view = Effect.gen(function* () {
      const chain = Snapshots.currentChain(yield* Snapshots.read(table))
      if (!Arr.isReadonlyArrayNonEmpty(chain)) return Option.none<TableView>()
      // The audit finds what other writers changed after the sink's last commit.
      const commit = Snapshots.lastSinkCommit(chain)
      const logId = yield* LogId.read(table)
      if (Option.isNone(commit)) return Option.some(viewOf(chain, logId, Option.none()))
      const positions = yield* SinkCommits.use((service) => service.positions([commit.value]))
      return Option.some(viewOf(chain, logId, Option.fromUndefinedOr(positions.get(commit.value.id))))
    }).pipe(
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: (error) => Effect.fail(Rows.asQueryError(error))
      }),
      Effect.withSpan("TableChecksums.view"),
      Effect.provide(services)
    )

    return TableChecksums.of({ view: ({ definition: { name } }) => (name === table ? view : onlyWeather(name)) })
  })
)
