/** Through Trino: a table that a replay makes, and putting it in place of `default.weather` in one commit. */
import { Effect, Option, Schema, Stream } from "effect"
import { type Query, type QueryError, QueryFailed } from "../../../services/Query.ts"
import type { SinkCommit } from "../../../services/SinkCommits.ts"
import { columns } from "../../../services/Weather.ts"
import * as LogId from "./logId.ts"
import * as LostRows from "./lostRows.ts"
import * as OtherWriters from "./otherWriters.ts"
import { parseShowCreate } from "./parseShowCreate.ts"
import { about, Whole } from "./rows.ts"
import { commitOf } from "./sinkCommit.ts"
import { createStatement, propertiesAt, name as weather } from "./weatherTable.ts"

const nameOf = (table: string) => `iceberg.default."${table}"`

const Name = Schema.Tuple([Schema.String])
const Count = Schema.Tuple([Whole])
const Property = Schema.TupleWithRest(Schema.Tuple([Schema.String, Whole]), [Schema.String])
const Snapshot = Schema.Tuple([
  Schema.String,
  Schema.NullOr(Schema.String),
  Schema.NullOr(Whole),
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))
])

export interface State {
  readonly snapshot: string
  /** Null for the first one after a table was made anew. */
  readonly parent: string | null
  readonly rows: number
  /** The sink's last one. */
  readonly commit: Option.Option<SinkCommit>
}

const replacing = `CREATE OR REPLACE TABLE ${weather} `

/**
 * The statement that makes the table as it should be, with the rows of another one; what else `SHOW CREATE TABLE` shows,
 * a comment or an order of its files, stays. `shown` is empty where there is no table.
 */
export const replaceStatement = (shown: string, table: string, bucket: string, logId: string) => {
  const properties = {
    ...Object.fromEntries(parseShowCreate(shown).properties),
    ...propertiesAt(bucket),
    extra_properties: LogId.assignment(logId)
  }
  const comment = /\n\)\n(COMMENT '(?:[^']|'')*'\n)/.exec(shown)?.[1] ?? ""
  const names = columns.join(", ")
  const lines = Object.entries(properties).map(([key, value]) => `   ${key} = ${value}`)
  return `${replacing}(${names})\n${comment}WITH (\n${lines.join(",\n")}\n)\nAS SELECT ${names} FROM ${nameOf(table)}`
}

const runOn = (query: Query["Service"]) =>
  Effect.fnUntraced(
    function* (sql: string) {
      return yield* Stream.runCollect((yield* query.execute(sql)).rows)
    },
    Effect.scoped,
    Effect.catchTag("SnapshotMissing", Effect.die)
  )

const allOn =
  (query: Query["Service"]) =>
  <A>(row: Schema.Codec<A, unknown>, sql: string): Effect.Effect<ReadonlyArray<A>, QueryError> =>
    Effect.flatMap(runOn(query)(sql), (rows) =>
      Effect.mapError(
        Schema.decodeUnknownEffect(Schema.Array(row))(rows),
        () => new QueryFailed({ reason: "Trino's answer cannot be read; this is a fault of Floe." })
      )
    )

/** None where nothing was ever committed. */
export const stateOf = Effect.fn("ReplayTable.state")(function* (query: Query["Service"], table: string) {
  const snapshots = (where: string) =>
    allOn(query)(
      Snapshot,
      `SELECT CAST(snapshot_id AS varchar), CAST(parent_id AS varchar), element_at(summary, 'total-records'), json_format(CAST(map_filter(summary, (name, value) -> name LIKE 'kafka.connect.%') AS json)) FROM ${about(table, "snapshots")} WHERE ${where} ORDER BY committed_at DESC LIMIT 1`
    )
  const [current] = yield* snapshots(
    `snapshot_id = (SELECT snapshot_id FROM ${about(table, "refs")} WHERE name = 'main')`
  )
  if (current === undefined) return Option.none<State>()
  const [snapshot, parent, rows, summary] = current
  let commit = commitOf(summary)
  if (Option.isNone(commit)) {
    // Small files were merged, say: the rows are still those of the sink's last commit.
    const [last] = yield* snapshots("element_at(summary, 'kafka.connect.commit-id') IS NOT NULL")
    commit = commitOf(last?.[3] ?? {})
  }
  return Option.some<State>({ snapshot, parent, rows: rows ?? 0, commit })
})

export const make = (query: Query["Service"], bucket: string) => {
  const run = runOn(query)
  const all = allOn(query)

  const exists = Effect.fn("ReplayTable.exists")(function* (table: string) {
    const sql = `SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = 'default' AND table_name = '${table}'`
    return (yield* all(Name, sql)).length > 0
  })

  return {
    exists,

    /** Rows of `default.weather` that another table has not. */
    lost: (table: string) => LostRows.count(query, table),

    /** What others than the sink have done to the table, as far as its snapshots tell. */
    otherWriters: OtherWriters.find(query),

    create: Effect.fn("ReplayTable.create")((table: string) => run(createStatement(nameOf(table)))),

    state: (table: string) => stateOf(query, table),

    /** How many hours the table has, and how many Trino writes at once at most. */
    hours: Effect.fn("ReplayTable.hours")(function* (table: string) {
      const [count] = yield* all(Count, `SELECT count(*) FROM ${about(table, "partitions")}`)
      const [limit] = yield* all(Property, "SHOW SESSION LIKE 'iceberg.max$_partitions$_per$_writer' ESCAPE '$'")
      return { hours: count?.[0] ?? 0, most: limit?.[1] ?? Number.POSITIVE_INFINITY }
    }),

    /** Whether Trino is at such a statement, perhaps of somebody who is gone: it drops those after 5 minutes. */
    isReplacing: Effect.fn("ReplayTable.isReplacing")(function* () {
      const sql = `SELECT count(*) FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED') AND starts_with(query, '${replacing}')`
      const [running] = yield* all(Count, sql)
      return running?.[0] !== 0
    }),

    /** One commit: readers see the old rows or the new ones, and older snapshots stay. */
    replaceWeather: Effect.fn("ReplayTable.replaceWeather")(function* (table: string, logId: string) {
      const [shown] = (yield* exists("weather")) ? yield* all(Name, `SHOW CREATE TABLE ${weather}`) : []
      yield* run(replaceStatement(shown?.[0] ?? "", table, bucket, logId))
    })
  }
}
