import { Effect, Layer, Option, Result, type Scope, Stream } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import {
  LocationNotEmpty,
  Query,
  QueryCancelled,
  type QueryError,
  QueryFailed,
  type QueryResult,
  QueryUnavailable,
  RelationMissing,
  StatementFailed,
  WriteConflict
} from "../../../services/Query.ts"
import { trinoUrl, trinoUser } from "../../../services/Settings.ts"
import type { AsOf } from "../../../services/TableReader.ts"
import { bindingsOf } from "./asOf.ts"
import { type Column, type Failure, type Page, rootOf } from "./Page.ts"
import * as Protocol from "./protocol.ts"
import { converter, UnreadableValue } from "./queryValues.ts"
import { asQueryError } from "./rows.ts"
import { trimStatement } from "./statement.ts"
import { atSnapshots, withOriginalLines } from "./timeTravel.ts"

const cancelledErrors = ["ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED", "USER_CANCELED"]
const startingErrors = ["SERVER_STARTING_UP", "SERVER_SHUTTING_DOWN", "NO_NODES_AVAILABLE"]
const unreachable = /(METASTORE|FILESYSTEM|CATALOG|CURSOR|CANNOT_OPEN_SPLIT|INVALID_METADATA)(_ERROR)?$/
/** They answered, so a retry does not help. */
const permanent = /non-empty location|Metadata not found/
const requestDetails = / \((Service: S3|SDK Attempt Count).*$/s

const advices: ReadonlyArray<readonly [message: RegExp, advice: string]> = [
  [/Catalog 'iceberg' not found$/, "mount the folder deploy/trino/etc as /etc/trino"],
  [
    /Illegal keys in extra_properties/,
    "add the line iceberg.allowed-extra-properties=floe.log.id from deploy/trino/etc to Trino's catalog, and restart Trino (docker compose restart trino)"
  ],
  [
    /types incompatible with the existing columns/,
    "set metastore.disallow.incompatible.col.type.changes to false in the metastore's metastore-site.xml, as deploy/hive-metastore does, and restart it"
  ],
  [/Table 'iceberg\.default\.weather' does not exist$/, "run floe table create"]
]

const reasons = [
  [/(Table|Schema) '.*' does not exist/, RelationMissing],
  [/non-empty location/, LocationNotEmpty],
  [/Failed to commit|Metadata location|lock/i, WriteConflict]
] as const

const errorOf = (failure: Failure): QueryError => {
  const { message, errorName, errorType } = failure
  const reason = message ?? errorName
  if (cancelledErrors.includes(errorName)) return new QueryCancelled({ reason })
  if (startingErrors.includes(errorName)) {
    return new QueryUnavailable({ reason: "Trino is still starting; try again in a few seconds", cause: reason })
  }
  if (errorType === "EXTERNAL" && unreachable.test(errorName) && !permanent.test(reason)) {
    const root = rootOf(failure)?.replace(requestDetails, "") ?? reason
    const detail = reason.includes(root) ? reason : `${reason}: ${root}`
    return new QueryUnavailable({
      reason: `Trino cannot reach the table's catalog or files (${detail}); check the metastore, the object store, and Trino's settings for them`,
      cause: errorName
    })
  }
  const advice = advices.find(([message]) => message.test(reason))?.[1]
  const Reason = reasons.find(([pattern]) => pattern.test(reason))?.[1] ?? StatementFailed
  return new QueryFailed({
    reason: new Reason({ message: advice === undefined ? reason : `${reason}; ${advice}.` })
  })
}

const rowsOf = (columns: ReadonlyArray<Column>) => {
  const converts = columns.map(({ typeSignature }) => converter(typeSignature))
  const row = (values: unknown) => {
    if (!Array.isArray(values) || values.length !== converts.length) throw new UnreadableValue({ type: "row" })
    return converts.map((convert, i) => convert(values[i]))
  }
  return ({ data = [] }: Page) =>
    Effect.try({
      try: () => data.map(row),
      catch: (cause) => QueryFailed.because(cause instanceof Error ? cause.message : String(cause))
    })
}

/** Queries Trino at `base`, whose path is kept as a prefix. Each statement runs with these session properties. */
export const at = (base: URL, user: string, properties?: Protocol.Session["properties"]) =>
  Layer.effect(
    Query,
    Effect.gen(function* () {
      const server = `${base.origin}${base.pathname.replace(/\/$/, "")}`
      const trino = yield* Protocol.make({ server, user, properties })

      const run = Effect.fnUntraced(function* (
        statement: string
      ): Effect.fn.Return<QueryResult, QueryError, Scope.Scope> {
        let next: string | undefined
        yield* Effect.addFinalizer(() => (next === undefined ? Effect.void : trino.cancel(next)))
        const step = Effect.fnUntraced(function* (request: Effect.Effect<Page, QueryError>) {
          const page = yield* request
          next = page.nextUri
          return page.error === undefined ? page : yield* errorOf(page.error)
        })
        let page = yield* step(trino.post(statement))
        while (page.columns === undefined && next !== undefined) page = yield* step(trino.get(next))

        const columns = page.columns ?? []
        const rows = rowsOf(columns)
        const pageAfter = (held: Option.Option<Page>) => {
          if (Option.isSome(held)) return Effect.succeed(held.value)
          return next === undefined ? Effect.succeed(undefined) : step(trino.get(next))
        }
        return {
          columns: columns.map(({ name, type }) => ({ name, type })),
          rows: Stream.paginate(
            Option.some<Page>(page),
            Effect.fnUntraced(function* (held: Option.Option<Page>) {
              const page = yield* pageAfter(held)
              const values = page === undefined ? [] : yield* rows(page)
              return [
                values,
                next === undefined ? Option.none<Option.Option<Page>>() : Option.some(Option.none<Page>())
              ] as const
            })
          )
        }
      })

      const runAsOf = Effect.fnUntraced(function* (statement: string, asOf: AsOf) {
        const bindings = yield* bindingsOf(statement, asOf).pipe(
          Effect.provideService(Query, { execute: run }),
          Effect.mapError((error) =>
            error._tag === "TableMissing" || error._tag === "TableUnavailable" ? asQueryError(error) : error
          )
        )
        const query = yield* Effect.fromResult(Result.mapError(atSnapshots(statement, bindings), QueryFailed.because))
        return yield* run(query).pipe(
          Effect.catchTag("QueryFailed", ({ message }) => Effect.fail(QueryFailed.because(withOriginalLines(message))))
        )
      })

      const execute = Effect.fn("Query.execute")(function* (
        sql: string,
        options?: { readonly asOf?: AsOf | undefined }
      ) {
        const statement = trimStatement(sql)
        if (statement === "") {
          return yield* QueryFailed.because("There is no statement; enter one, for example SELECT * FROM weather.")
        }
        return yield* options?.asOf === undefined ? run(statement) : runAsOf(statement, options.asOf)
      })

      return Query.of({ execute })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))

/** Each statement runs with these session properties. */
export const withSession = (properties: Protocol.Session["properties"]) =>
  Layer.unwrap(Effect.map(Effect.all([trinoUrl, trinoUser]), ([url, user]) => at(url, user, properties)))

export const layer = withSession(undefined)
