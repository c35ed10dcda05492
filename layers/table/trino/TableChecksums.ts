import { Array as Arr, Effect, Layer, Option, Schema, Stream } from "effect"
import { Query, type QueryError, QueryUnavailable } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { TableChecksums, type TableHour, type TableView } from "../../../services/TableChecksums.ts"
import { type TableMissing, weather } from "../../../services/TableReader.ts"
import type { TableUnavailable } from "../../../services/TableWriter.ts"
import * as ChecksumSql from "./checksumSql.ts"
import * as LogId from "./logId.ts"
import * as OtherWriters from "./otherWriters.ts"
import * as Rows from "./rows.ts"
import { findColumn } from "./rowTextSql.ts"
import * as Snapshots from "./snapshots.ts"
import * as TableColumns from "./tableColumns.ts"
import { parseType } from "./trinoTypes.ts"

const Digits = Schema.String.check(Schema.isPattern(/^-?\d+$/))
const HourRow = Schema.Tuple([Schema.NullOr(Schema.String), Rows.Whole, Digits, Rows.Whole])
const SliceRow = Schema.Tuple([Rows.Whole, Rows.Whole, Digits])

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

    const reasonOf = Effect.fnUntraced(function* (
      table: string,
      snapshotId: string,
      error: TableUnavailable | TableMissing
    ) {
      const isKept = yield* Snapshots.read(table).pipe(
        Effect.map((snapshots) => snapshots.some(({ id }) => id === snapshotId)),
        Effect.orElseSucceed(() => true)
      )
      const reason = `its snapshot ${snapshotId} expired while it was read; try again`
      return yield* isKept ? Rows.asQueryError(error) : new QueryUnavailable({ reason, cause: error })
    })

    /** The columns of a snapshot, which need not be those that the table has now. */
    const columnsAt = Effect.fnUntraced(function* (table: string, snapshotId: string) {
      const { columns, rows } = yield* (yield* Query).execute(
        `SELECT * FROM ${ChecksumSql.rowsAt(table, snapshotId)} LIMIT 0`
      )
      yield* Stream.runDrain(rows)
      return columns.map(({ name, type }) => ({ name, type: parseType(type) }))
    }, Effect.scoped)

    /** While a change is being applied, the table may have columns under names that the log does not know yet. */
    const requireColumns = Effect.fnUntraced(function* (stream: AppliedStream) {
      const { columns, name } = stream.definition
      const actual = yield* TableColumns.read(name)
      const missing = columns.find((column) => findColumn(stream, column, actual) === undefined)
      if (missing === undefined) return
      const reason = `its table has no column ${missing.name}: a change of the stream is being applied or was interrupted, or somebody altered the table; run floe streams apply`
      return yield* new QueryUnavailable({ reason, cause: missing })
    })

    const viewOf = Effect.fnUntraced(function* (
      stream: AppliedStream,
      chain: Arr.NonEmptyReadonlyArray<Snapshots.Snapshot>,
      logId: TableView["logId"],
      committed: TableView["committed"]
    ) {
      const table = stream.definition.name
      const snapshotId = chain[0].id
      const changes = OtherWriters.among(chain)
      const kept = new Set(chain.map(({ id }) => id))
      const others = changes.filter(({ parentId }) => kept.has(parentId))
      const parts = ChecksumSql.parts(others, snapshotId)
      const sql =
        table === weather
          ? ChecksumSql.ofWeather(parts)
          : ChecksumSql.ofStream(
              stream,
              yield* Effect.forEach(parts, (part) =>
                Effect.map(columnsAt(table, part.id), (columns) => ({ ...part, columns }))
              ).pipe(Effect.catchTag("SnapshotMissing", Effect.die))
            )
      const read = <A>(row: Schema.Codec<A, unknown>, statement: string) =>
        Rows.stream({ table, operation: "comparing it with the log", row }, statement).pipe(
          Stream.catch((error) => Stream.fromEffect(reasonOf(table, snapshotId, error))),
          Stream.provideContext(services)
        )
      const collect = <K, A>(rows: Stream.Stream<readonly [K, A], QueryError>) =>
        Effect.map(Stream.runCollect(rows), (all): ReadonlyMap<K, A> => new Map(all))
      const view: TableView = {
        snapshotId,
        stream,
        logId,
        committed,
        others: Effect.succeed({
          changes: changes.map(({ parentId: _, ...change }) => change),
          unknown: unknownOf(chain)
        }),
        hours: collect(
          read(HourRow, sql.hours).pipe(
            Stream.map(
              ([ts, rows, checksum, more]) => [ts, { rows, checksum: BigInt(checksum), byOthers: more }] as const
            )
          )
        ),
        slices: (ts, of) =>
          collect(
            read(SliceRow, sql.slices(ts, of)).pipe(
              Stream.map(([slice, rows, checksum]) => [slice, { rows, checksum: BigInt(checksum) }] as const)
            )
          ),
        records: (ts: TableHour, slices) =>
          read(ChecksumSql.RecordRow, sql.records(ts, slices)).pipe(Stream.map(sql.record))
      }
      return view
    })

    const view = Effect.fn("TableChecksums.view")(
      function* (stream: AppliedStream) {
        const { name } = stream.definition
        const chain = Snapshots.currentChain(yield* Snapshots.read(name))
        if (!Arr.isReadonlyArrayNonEmpty(chain)) return Option.none<TableView>()
        if (name !== weather) yield* requireColumns(stream)
        // The audit finds what other writers changed after the sink's last commit.
        const commit = Snapshots.lastSinkCommit(chain)
        const logId = yield* LogId.read(name)
        if (Option.isNone(commit)) return Option.some(yield* viewOf(stream, chain, logId, Option.none()))
        const positions = yield* SinkCommits.use((service) => service.positions([commit.value], name))
        return Option.some(yield* viewOf(stream, chain, logId, Option.fromUndefinedOr(positions.get(commit.value.id))))
      },
      Effect.catchTags({
        TableMissing: () => Effect.succeedNone,
        TableUnavailable: (error) => Effect.fail(Rows.asQueryError(error))
      }),
      Effect.provide(services)
    )

    return TableChecksums.of({ view })
  })
)
