/** Decoded rows of a statement about a table; failures become the errors of a table. */
import { Effect, Schema, Stream } from "effect"
import { Query, type QueryError, QueryUnavailable } from "../../../services/Query.ts"
import { TableMissing, weather } from "../../../services/TableReader.ts"
import { TableUnavailable } from "../../../services/TableWriter.ts"

/** Trino sends a bigint as text. */
export const Whole = Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int))

export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`

/** Trino's metadata table of a kind: `snapshots`, `files` and so on. */
export const metadataTable = (table: string, kind: string) => `iceberg.default."${table}$${kind}"`

/** SQL for a time as milliseconds since 1970. */
export const millisOf = (time: string) => `CAST(round(to_unixtime(${time}) * 1000) AS bigint)`

export const isMissing = (error: QueryError) => error._tag === "QueryFailed" && error.reason._tag === "RelationMissing"

const reasonOf = (error: QueryError) => (error._tag === "QueryFailed" ? error.message : error.reason)

const missing = (table: string) =>
  new TableMissing({
    table: `default.${table}`,
    advice:
      table === weather
        ? "run floe table create"
        : `floe table create --stream ${table} creates that of a stream, and floe rebuild --into ${table} a copy of one`
  })

/** The same failure as a QueryUnavailable, for callers that declare query errors only. */
export const asQueryError = (error: TableMissing | TableUnavailable) => {
  const reason =
    error._tag === "TableUnavailable" ? error.reason : `there is no table ${error.table} yet; ${error.advice}`
  return new QueryUnavailable({ reason, cause: error })
}

interface Question<A> {
  readonly table: string
  /** The operation that an error names, for example "reading its snapshots". */
  readonly operation: string
  readonly row: Schema.Codec<A, unknown>
}

export const stream = <A>({ table, operation, row }: Question<A>, sql: string) => {
  const decode = Schema.decodeUnknownEffect(Schema.NonEmptyArray(row))
  const unavailable = (reason: string, cause: unknown) => new TableUnavailable({ operation, reason, cause })
  return Query.use(({ execute }) => execute(sql)).pipe(
    Effect.catchTag("SnapshotMissing", Effect.die),
    Effect.map(({ rows }) => rows),
    Stream.unwrap,
    Stream.mapError((error) =>
      isMissing(error) ? missing(table) : unavailable(reasonOf(error).replace(/\.$/, ""), error)
    ),
    Stream.mapArrayEffect((rows) =>
      Effect.mapError(decode(rows), (cause) =>
        unavailable("Floe cannot read Trino's answer, which is a bug in Floe", cause)
      )
    )
  )
}

export const all = <A>(question: Question<A>, sql: string) => Stream.runCollect(stream(question, sql))
