/** Creates, reads and promotes the table of a rebuild through Trino. */
import { Effect, Option, Schema, Stream } from "effect"
import { Query, type QueryError, QueryFailed } from "../../../services/Query.ts"
import type { SinkCommit } from "../../../services/SinkCommits.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { evolutionPlan } from "./evolutionPlan.ts"
import * as LogId from "./logId.ts"
import { parseShowCreate } from "./parseShowCreate.ts"
import { literal, metadataTable, Whole } from "./rows.ts"
import { commitOf } from "./sinkCommit.ts"
import { columnNames, createStatement, propertiesOf, nameOf as streamTable } from "./streamTable.ts"
import * as TableColumns from "./tableColumns.ts"
import { quoted } from "./trinoTypes.ts"

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
  /** Null for the first snapshot of a table that was created or replaced. */
  readonly parent: string | null
  readonly rows: number
  /** The sink's last commit. */
  readonly commit: Option.Option<SinkCommit>
}

const replacing = (stream: string) => `CREATE OR REPLACE TABLE ${streamTable(stream)} `

/**
 * The statement that replaces a stream's table with the rows of another table. It keeps what else `SHOW CREATE TABLE`
 * shows, for example a comment or a sort order. `current` is the output of that statement, or empty without a table.
 */
export const replaceStatement = (
  current: string,
  table: string,
  bucket: string,
  logId: string,
  { definition }: AppliedStream = weatherStream
) => {
  const properties = {
    ...Object.fromEntries(parseShowCreate(current).properties),
    ...propertiesOf(definition, bucket),
    extra_properties: LogId.assignment(logId)
  }
  const comment = /\n\)\n(COMMENT '(?:[^']|'')*'\n)/.exec(current)?.[1] ?? ""
  const names = columnNames(definition)
  const lines = Object.entries(properties).map(([key, value]) => `   ${key} = ${value}`)
  return `${replacing(definition.name)}(${names})\n${comment}WITH (\n${lines.join(",\n")}\n)\nAS SELECT ${names} FROM ${nameOf(table)}`
}

const run = Effect.fnUntraced(
  function* (sql: string) {
    return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
  },
  Effect.scoped,
  Effect.catchTag("SnapshotMissing", Effect.die)
)

const all = <A>(row: Schema.Codec<A, unknown>, sql: string): Effect.Effect<ReadonlyArray<A>, QueryError, Query> =>
  Effect.flatMap(run(sql), (rows) =>
    Effect.mapError(Schema.decodeUnknownEffect(Schema.Array(row))(rows), () =>
      QueryFailed.because("Floe cannot read Trino's answer, which is a bug in Floe.")
    )
  )

/** None if nothing was ever committed to the table. */
export const state = Effect.fn("RebuildTable.state")(function* (table: string) {
  const snapshots = (where: string) =>
    all(
      Snapshot,
      `SELECT CAST(snapshot_id AS varchar), CAST(parent_id AS varchar), element_at(summary, 'total-records'), json_format(CAST(map_filter(summary, (name, value) -> name LIKE 'kafka.connect.%') AS json)) FROM ${metadataTable(table, "snapshots")} WHERE ${where} ORDER BY committed_at DESC LIMIT 1`
    )
  const [current] = yield* snapshots(
    `snapshot_id = (SELECT snapshot_id FROM ${metadataTable(table, "refs")} WHERE name = 'main')`
  )
  if (current === undefined) return Option.none<State>()
  const [snapshot, parent, rows, summary] = current
  let commit = commitOf(summary)
  if (Option.isNone(commit)) {
    // After maintenance, for example, the rows are still those of the sink's last commit.
    const [last] = yield* snapshots("element_at(summary, 'kafka.connect.commit-id') IS NOT NULL")
    commit = commitOf(last?.[3] ?? {})
  }
  return Option.some<State>({ snapshot, parent, rows: rows ?? 0, commit })
})

export const exists = Effect.fn("RebuildTable.exists")(function* (table: string) {
  const sql = `SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = 'default' AND table_name = '${table}'`
  return (yield* all(Name, sql)).length > 0
})

/** With the columns and partitions of a stream. */
export const create = Effect.fn("RebuildTable.create")((table: string, stream: AppliedStream = weatherStream) =>
  run(createStatement(stream, nameOf(table)))
)

/** If it exists. */
export const drop = Effect.fn("RebuildTable.drop")((table: string) => run(`DROP TABLE IF EXISTS ${nameOf(table)}`))

/** Whether the table has exactly the columns of a stream. */
export const fits = Effect.fn("RebuildTable.fits")(function* (table: string, stream: AppliedStream) {
  const { conflicts, foreign, steps } = evolutionPlan(stream, yield* TableColumns.read(table), nameOf(table))
  return (
    conflicts.length + foreign.length + steps.filter(({ statement }) => !statement.startsWith("COMMENT")).length === 0
  )
})

/** How many partitions the table has, and how many Trino writes in one statement. */
export const hours = Effect.fn("RebuildTable.hours")(function* (table: string) {
  const [count] = yield* all(Count, `SELECT count(*) FROM ${metadataTable(table, "partitions")}`)
  const [limit] = yield* all(Property, "SHOW SESSION LIKE 'iceberg.max$_partitions$_per$_writer' ESCAPE '$'")
  return { hours: count?.[0] ?? 0, most: limit?.[1] ?? Number.POSITIVE_INFINITY }
})

/** Whether Trino is running such a statement; it drops one whose client is gone after 5 minutes. */
export const isReplacing = Effect.fn("RebuildTable.isReplacing")(function* (stream: string) {
  const sql = `SELECT count(*) FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED') AND starts_with(query, '${replacing(stream)}')`
  const [running] = yield* all(Count, sql)
  return running?.[0] !== 0
})

/** One commit: readers see the old rows or the new ones, and older snapshots stay. Comments of columns are set again. */
export const replace = Effect.fn("RebuildTable.replace")(function* (
  stream: AppliedStream,
  table: string,
  bucket: string,
  logId: string
) {
  const { columns, name } = stream.definition
  const [shown] = (yield* exists(name)) ? yield* all(Name, `SHOW CREATE TABLE ${streamTable(name)}`) : []
  yield* run(replaceStatement(shown?.[0] ?? "", table, bucket, logId, stream))
  for (const column of columns) {
    if (column.doc !== undefined) {
      yield* run(`COMMENT ON COLUMN ${streamTable(name)}.${quoted(column.name)} IS ${literal(column.doc)}`)
    }
  }
})
