import { Effect, Layer, Option, Result, type Scope, Stream } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import {
  Query,
  QueryCancelled,
  type QueryError,
  QueryFailed,
  type QueryResult,
  QueryUnavailable
} from "../../../services/Query.ts"
import { trinoUrl, trinoUser } from "../../../services/Settings.ts"
import { type AsOf, weather } from "../../../services/TableReader.ts"
import { find } from "./asOf.ts"
import { type Column, type Failure, type Page, rootOf } from "./Page.ts"
import * as Protocol from "./protocol.ts"
import { converter } from "./queryValues.ts"
import { asQueryError } from "./rows.ts"
import { withoutEnd } from "./statement.ts"
import { asGiven, atSnapshot } from "./timeTravel.ts"

const cancelled = ["ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED", "USER_CANCELED"]
const starting = ["SERVER_STARTING_UP", "SERVER_SHUTTING_DOWN", "NO_NODES_AVAILABLE"]
/** The metastore or the object store does not answer Trino. */
const elsewhere = /(METASTORE|FILESYSTEM|CATALOG|CURSOR|CANNOT_OPEN_SPLIT|INVALID_METADATA)(_ERROR)?$/
/** They have answered, and to look again is of no use. */
const settled = /non-empty location|Metadata not found/
/** Numbers of the request and of the tries. */
const numbers = / \((Service: S3|SDK Attempt Count).*$/s

const advices: ReadonlyArray<readonly [said: RegExp, advice: string]> = [
  [/Catalog 'iceberg' not found$/, "give Trino the folder deploy/trino/etc as /etc/trino"],
  [
    /Illegal keys in extra_properties/,
    "give Trino's catalog the line iceberg.allowed-extra-properties=floe.log.id of deploy/trino/etc, and start Trino again (docker compose restart trino)"
  ],
  [/Table 'iceberg\.default\.weather' does not exist$/, "floe table create makes it"]
]

const errorOf = (failure: Failure): QueryError => {
  const { message, errorName, errorType } = failure
  const reason = message ?? errorName
  if (cancelled.includes(errorName)) return new QueryCancelled({ reason })
  if (starting.includes(errorName)) {
    return new QueryUnavailable({ reason: "Trino is still starting; try again in some seconds", cause: reason })
  }
  if (errorType === "EXTERNAL" && elsewhere.test(errorName) && !settled.test(reason)) {
    const root = rootOf(failure)?.replace(numbers, "") ?? reason
    const said = reason.includes(root) ? reason : `${reason}: ${root}`
    return new QueryUnavailable({
      reason: `Trino cannot reach the table's catalog or files (${said}); look at the metastore and the object store, and at Trino's settings for them`,
      cause: errorName
    })
  }
  const advice = advices.find(([said]) => said.test(reason))?.[1]
  return new QueryFailed({ reason: advice === undefined ? reason : `${reason}; ${advice}.` })
}

const rowsOf = (columns: ReadonlyArray<Column>) => {
  const converts = columns.map(({ typeSignature }) => converter(typeSignature))
  const row = (values: unknown) => {
    if (!Array.isArray(values) || values.length !== converts.length) throw new Error("The engine sent a broken row")
    return converts.map((convert, i) => convert(values[i]))
  }
  return ({ data = [] }: Page) =>
    Effect.try({
      try: () => data.map(row),
      catch: (cause) => new QueryFailed({ reason: cause instanceof Error ? `${cause.message}.` : String(cause) })
    })
}

/** Trino at `base`; a path in it is kept as a prefix. Each statement gets these session properties. */
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
        const snapshotId = yield* find({ execute: run }, weather, asOf).pipe(
          Effect.mapError((error) => (error._tag === "SnapshotMissing" ? error : asQueryError(error)))
        )
        const query = yield* Effect.fromResult(
          Result.mapError(atSnapshot(statement, snapshotId), (reason) => new QueryFailed({ reason }))
        )
        return yield* run(query).pipe(
          Effect.catchTag("QueryFailed", ({ reason }) => Effect.fail(new QueryFailed({ reason: asGiven(reason) })))
        )
      })

      const execute = Effect.fn("Query.execute")(function* (
        sql: string,
        options?: { readonly asOf?: AsOf | undefined }
      ) {
        const statement = withoutEnd(sql)
        if (statement === "") {
          return yield* new QueryFailed({ reason: "There is no statement; give one such as SELECT * FROM weather." })
        }
        return yield* options?.asOf === undefined ? run(statement) : runAsOf(statement, options.asOf)
      })

      return Query.of({ execute })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))

/** Each statement gets these session properties. */
export const withSession = (properties: Protocol.Session["properties"]) =>
  Layer.unwrap(Effect.map(Effect.all([trinoUrl, trinoUser]), ([url, user]) => at(url, user, properties)))

export const layer = withSession(undefined)
