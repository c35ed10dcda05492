/** The rows of a statement about a table, decoded, with the errors of a table. */
import { Effect, Schema, Stream } from "effect"
import { type Query, type QueryError, QueryUnavailable } from "../../../services/Query.ts"
import { TableUnavailable } from "../../../services/Table.ts"
import { TableMissing, weather } from "../../../services/TableReader.ts"

/** Trino's bigint comes as text. */
export const Whole = Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int))

export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

/** What Trino tells about a table: its `snapshots`, `files` and so on. */
export const about = (table: string, kind: string) => `iceberg.default."${table}$${kind}"`

/** A time as milliseconds since 1970. */
export const millisOf = (time: string) => `CAST(round(to_unixtime(${time}) * 1000) AS bigint)`

const isMissing = (error: QueryError) =>
  error._tag === "QueryFailed" && /(Table|Schema) '.*' does not exist/.test(error.reason)

const missing = (table: string) =>
  new TableMissing({
    table: `default.${table}`,
    advice: table === weather ? "floe table create makes it" : `floe replay --into ${table} makes one`
  })

/** The same as an error of a query, for who has promised those. */
export const asQueryError = (error: TableMissing | TableUnavailable) => {
  const reason =
    error._tag === "TableUnavailable" ? error.reason : `there is no table ${error.table} yet; ${error.advice}`
  return new QueryUnavailable({ reason, cause: error })
}

interface Question<A> {
  readonly table: string
  /** What is being done, as in "reading its snapshots". */
  readonly operation: string
  readonly row: Schema.Codec<A, unknown>
}

export const stream = <A>(query: Query["Service"], { table, operation, row }: Question<A>, sql: string) => {
  const decode = Schema.decodeUnknownEffect(Schema.NonEmptyArray(row))
  const unavailable = (reason: string, cause: unknown) => new TableUnavailable({ operation, reason, cause })
  return Stream.unwrap(
    Effect.map(query.execute(sql).pipe(Effect.catchTag("SnapshotMissing", Effect.die)), ({ rows }) => rows)
  ).pipe(
    Stream.mapError((error) =>
      isMissing(error) ? missing(table) : unavailable(error.reason.replace(/\.$/, ""), error)
    ),
    Stream.mapArrayEffect((rows) =>
      Effect.mapError(decode(rows), (cause) =>
        unavailable("Trino's answer cannot be read, which is a fault of Floe", cause)
      )
    )
  )
}

export const all = <A>(query: Query["Service"], question: Question<A>, sql: string) =>
  Stream.runCollect(stream(query, question, sql))
