import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as QueryLayer from "../../../layers/table/trino/Query.ts"
import { trimStatement } from "../../../layers/table/trino/statement.ts"
import { Query } from "../../../services/Query.ts"
import recorded from "../../recorded/trino.json" with { type: "json" }
import { type Answer, type Request, serving } from "../../support/httpService.ts"
import { expected } from "./trinoValues.ts"

const ok = (body: string): Answer => ({ status: 200, body })
const no = (status: number): Answer => ({ status, body: "Error" })

/** Serves the pages of one statement as Trino does: each at the address that the one before it names. */
const pagesOf = (pages: ReadonlyArray<string>) => {
  const paths = pages.map((page) => /"nextUri":"\{base\}([^"]*)"/.exec(page)?.[1])
  return ({ method, url }: Request, base: string): Answer => {
    if (method === "DELETE") return { status: 204, body: "" }
    const index = method === "POST" ? 0 : paths.indexOf(url) + 1
    const page = pages[index]
    return page === undefined || (method === "GET" && index === 0) ? no(404) : ok(page.replaceAll("{base}", base))
  }
}

const rows = Effect.fnUntraced(function* (sql: string) {
  const { columns, rows } = yield* (yield* Query).execute(sql)
  return { columns, rows: yield* Stream.runCollect(rows) }
}, Effect.scoped)

const rowsAt = (base: string, sql: string) => Effect.provide(rows(sql), QueryLayer.at(new URL(base), "floe"))

const methods = (seen: ReadonlyArray<Request>) => seen.map(({ method }) => method)

describe("Trino", () => {
  it.effect("keeps the values of each type", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(pagesOf(recorded.types))
      const { columns, rows } = yield* rowsAt(`${base}/`, "SELECT 1; -- the end\n")
      assert.deepStrictEqual(rows, [expected])
      assert.deepStrictEqual(columns.slice(2, 4), [
        { name: "b", type: "bigint" },
        { name: "d", type: "decimal(22, 2)" }
      ])
      const [post] = seen
      assert.strictEqual(post?.url, "/v1/statement")
      assert.strictEqual(post?.body, "SELECT 1")
      assert.strictEqual(post?.headers["x-trino-user"], "floe")
      assert.strictEqual(post?.headers["x-trino-source"], "floe")
      assert.strictEqual(post?.headers["x-trino-catalog"], "iceberg")
      assert.strictEqual(post?.headers["x-trino-schema"], "default")
      assert.isFalse(methods(seen).includes("DELETE"))
    })
  )

  it.effect("a statement without rows has no columns", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(pagesOf(recorded.created))
      assert.deepStrictEqual(yield* rowsAt(base, "CREATE TABLE t (a integer)"), { columns: [], rows: [] })
    })
  )

  it.effect("a bad statement fails with Trino's message, even on the first page", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(pagesOf(recorded.syntaxError))
      const error = yield* Effect.flip(rowsAt(base, "SELECT nothing"))
      assert.strictEqual(error._tag, "QueryFailed")
      assert.strictEqual(error.message, "line 2:2: Column 'nothing' cannot be resolved")
      const atOnce = yield* serving(() => ok(recorded.syntaxError.at(-1) ?? ""))
      assert.strictEqual((yield* Effect.flip(rowsAt(atOnce.base, "SELECT nothing")))._tag, "QueryFailed")
      const empty = yield* Effect.flip(rowsAt(base, " ;; -- nothing\n"))
      assert.include(empty.message, "There is no statement")
    })
  )

  it.effect.each([
    { message: "line 1:1: Catalog 'iceberg' not found", advice: "mount the folder deploy/trino/etc as /etc/trino" },
    { message: "line 1:15: Table 'iceberg.default.weather' does not exist", advice: "run floe table create" }
  ])("what is missing comes with what to do: $message", ({ message, advice }) =>
    Effect.gen(function* () {
      const page = (recorded.syntaxError.at(-1) ?? "").replaceAll(
        "line 2:2: Column 'nothing' cannot be resolved",
        message
      )
      const { base } = yield* serving(() => ok(page))
      const error = yield* Effect.flip(rowsAt(base, "SELECT city FROM weather"))
      assert.strictEqual(error.message, `${message}; ${advice}.`)
    })
  )

  it.effect.each([
    {
      name: "wrong key",
      root: "Forbidden (Service: S3, Status Code: 403, Request ID: 18EA7F3441366572, Extended Request ID: dd90)",
      detail: "Forbidden"
    },
    {
      name: "no host",
      root: "nominio: Name or service not known",
      detail: "nominio: Name or service not known"
    }
  ])("an object store that Trino cannot read is named with the first cause: $name", ({ root, detail }) =>
    Effect.gen(function* () {
      const message = "Error accessing metadata file for table default.weather"
      const failureInfo = {
        message,
        cause: { message: "S3 HEAD request failed", cause: { message: root, cause: null } }
      }
      const error = { message, errorName: "ICEBERG_INVALID_METADATA", errorType: "EXTERNAL", failureInfo }
      const { base } = yield* serving(() => ok(JSON.stringify({ id: "1", error })))
      const failure = yield* Effect.flip(rowsAt(base, "SELECT city FROM weather"))
      assert.strictEqual(failure._tag, "QueryUnavailable")
      assert.include(failure.message, `(${message}: ${detail}); check the metastore, the object store, and`)
    })
  )

  it.effect("a statement that fails halfway gives its rows and then an error", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(pagesOf(recorded.halfWay))
      const rows: Array<ReadonlyArray<unknown>> = []
      const error = yield* Effect.gen(function* () {
        const { rows: stream } = yield* (yield* Query).execute("SELECT n")
        return yield* Effect.flip(Stream.runForEach(stream, (row) => Effect.sync(() => rows.push(row))))
      }).pipe(Effect.scoped, Effect.provide(QueryLayer.at(new URL(base), "floe")))
      assert.strictEqual(error._tag, "QueryFailed")
      assert.strictEqual(error.message, "half way")
      assert.deepStrictEqual(rows, [["1"], ["2"], ["3"], ["4"], ["5"]])
      assert.isFalse(methods(seen).includes("DELETE"))
    })
  )

  it.effect("a statement that an administrator kills is cancelled; a starting Trino is unavailable", () =>
    Effect.gen(function* () {
      const killed = yield* serving(pagesOf(recorded.killed))
      const error = yield* Effect.flip(rowsAt(killed.base, "SELECT 1"))
      assert.strictEqual(error._tag, "QueryCancelled")
      assert.include(error.message, "enough of it")
      const starting = yield* serving(pagesOf(recorded.starting))
      const early = yield* Effect.flip(rowsAt(starting.base, "SELECT 1"))
      assert.strictEqual(early._tag, "QueryUnavailable")
      assert.include(early.message, "Trino is still starting")
    })
  )

  it.live("retries after 503, 502 and a broken connection, and fetches the same page", () =>
    Effect.gen(function* () {
      const pages = pagesOf(recorded.types)
      const failures: Array<Answer | "gone"> = [no(503), no(502), "gone"]
      const times = { POST: 0, GET: 0 }
      const { base, seen } = yield* serving((request, base) => {
        const failure = request.method === "POST" ? failures[times.POST++] : failures[times.GET++]
        return failure ?? pages(request, base)
      })
      assert.deepStrictEqual((yield* rowsAt(base, "SELECT 1")).rows, [expected])
      const urls = seen.map(({ url }) => url)
      assert.strictEqual(new Set(urls.slice(0, 4)).size, 1)
      assert.strictEqual(new Set(urls.slice(4, 8)).size, 1)
      assert.strictEqual(urls.length, recorded.types.length + 2 * failures.length)
    })
  )

  it.live("gives up on a server that stays overloaded, and reports it", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(() => no(503))
      const error = yield* Effect.flip(rowsAt(base, "SELECT 1"))
      assert.strictEqual(error._tag, "QueryUnavailable")
      assert.include(error.message, "(503)")
      assert.strictEqual(seen.length, 6)
    })
  )

  it.effect.each([
    { answer: no(401), tag: "QueryFailed", pattern: /rejected the user floe \(401\): set FLOE_TRINO_USER/ },
    { answer: no(404), tag: "QueryUnavailable", pattern: /is not Trino \(404\); set FLOE_TRINO_URL/ },
    { answer: ok("<html>It works!</html>"), tag: "QueryUnavailable", pattern: /is not Trino; set FLOE_TRINO_URL/ },
    { answer: ok('{"status":"healthy"}'), tag: "QueryUnavailable", pattern: /is not Trino; set FLOE_TRINO_URL/ }
  ])("reports what to do about $answer", ({ answer, tag, pattern }) =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(() => answer)
      const error = yield* Effect.flip(rowsAt(base, "SELECT 1"))
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, pattern)
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect("reports at once that nothing listens", () =>
    Effect.gen(function* () {
      const { base, close } = yield* serving(() => undefined)
      close()
      const error = yield* Effect.flip(rowsAt(base, "SELECT 1"))
      assert.strictEqual(error._tag, "QueryUnavailable")
      assert.include(error.message, `Trino at ${base} cannot be reached (nothing listens there)`)
      assert.include(error.message, "FLOE_TRINO_URL")
    })
  )

  it.effect("reports at once that the server does not speak TLS", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(() => no(404))
      const error = yield* Effect.flip(rowsAt(base.replace("http:", "https:"), "SELECT 1"))
      assert.include(error.message, "(it does not use TLS; use an http:// address)")
    })
  )

  it.effect("gives up on a statement that hangs after 20 seconds, and does not send it again", () =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const { base, seen } = yield* serving(() => void Deferred.doneUnsafe(arrived, Effect.void))
      const fiber = yield* Effect.forkChild(Effect.flip(rowsAt(base, "SELECT 1")))
      yield* Deferred.await(arrived)
      yield* TestClock.adjust("20 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "QueryUnavailable")
      assert.include(error.message, "did not answer within 20 seconds; check its log")
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect("fetches a page that hangs again, gives up after a minute, and cancels the query", () =>
    Effect.gen(function* () {
      const pages = pagesOf(recorded.types)
      const gets = yield* Queue.unbounded<void>()
      const { base, seen } = yield* serving((request, base) => {
        if (request.method === "GET") return void Queue.offerUnsafe(gets, undefined)
        return pages(request, base)
      })
      const fiber = yield* Effect.forkChild(Effect.flip(rowsAt(base, "SELECT 1")))
      for (let attempt = 0; attempt < 3; attempt++) {
        yield* Queue.take(gets)
        yield* TestClock.adjust("20 seconds")
        yield* TestClock.adjust("500 millis")
      }
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "QueryUnavailable")
      assert.include(error.message, "did not answer within 20 seconds")
      assert.deepStrictEqual(methods(seen), ["POST", "GET", "GET", "GET", "DELETE"])
    })
  )

  it.effect("asks to run a query again that Trino no longer knows", () =>
    Effect.gen(function* () {
      const [first = ""] = recorded.types
      const { base } = yield* serving(({ method }, base) =>
        method === "POST" ? ok(first.replaceAll("{base}", base)) : no(404)
      )
      const error = yield* Effect.flip(rowsAt(base, "SELECT 1"))
      assert.strictEqual(error._tag, "QueryUnavailable")
      assert.include(error.message, "run the query again")
    })
  )

  it.effect("an interruption while it waits for a page cancels the query", () =>
    Effect.gen(function* () {
      const pages = pagesOf(recorded.types)
      const waiting = yield* Deferred.make<void>()
      const { base, seen } = yield* serving((request, base) => {
        if (request.method === "GET") return void Deferred.doneUnsafe(waiting, Effect.void)
        return pages(request, base)
      })
      const fiber = yield* Effect.forkChild(rowsAt(base, "SELECT 1"))
      yield* Deferred.await(waiting)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(methods(seen), ["POST", "GET", "DELETE"])
      assert.strictEqual(seen[2]?.url, seen[1]?.url)
      assert.strictEqual(seen[2]?.headers["x-trino-user"], "floe")
    })
  )

  it.effect("pages are fetched as rows are pulled, and a reader that has enough cancels the query", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(pagesOf(recorded.halfWay))
      const scope = yield* Scope.make()
      yield* Effect.gen(function* () {
        const { rows } = yield* Scope.provide((yield* Query).execute("SELECT n"), scope)
        const before = seen.length
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(rows, 2)), [["1"], ["2"]])
        assert.isAbove(seen.length, before)
        assert.isBelow(seen.length, recorded.halfWay.length)
        assert.isFalse(methods(seen).includes("DELETE"))
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(seen.at(-1)?.method, "DELETE")
      }).pipe(Effect.provide(QueryLayer.at(new URL(base), "floe")))
    })
  )

  it.effect("an interruption waits at most 5 seconds for the cancellation", () =>
    Effect.gen(function* () {
      const pages = pagesOf(recorded.types)
      const waiting = yield* Deferred.make<void>()
      const cancelling = yield* Deferred.make<void>()
      const { base } = yield* serving((request, base) => {
        if (request.method === "GET") return void Deferred.doneUnsafe(waiting, Effect.void)
        if (request.method === "DELETE") return void Deferred.doneUnsafe(cancelling, Effect.void)
        return pages(request, base)
      })
      const fiber = yield* Effect.forkChild(rowsAt(base, "SELECT 1"))
      yield* Deferred.await(waiting)
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* Deferred.await(cancelling)
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(interruption.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(interruption)
    })
  )
})

it("a statement is sent without trailing semicolons and comments", () => {
  assert.strictEqual(trimStatement("SELECT 1 ;\n-- done\n/* really */ ; "), "SELECT 1")
  assert.strictEqual(trimStatement("-- first\nSELECT ';' "), "-- first\nSELECT ';'")
  assert.strictEqual(trimStatement("SELECT '--' AS \"/*\""), "SELECT '--' AS \"/*\"")
  assert.strictEqual(trimStatement("SELECT 1; SELECT 2;"), "SELECT 1; SELECT 2")
  assert.strictEqual(trimStatement("-- nothing"), "")
  assert.strictEqual(trimStatement("SELECT 1 -"), "SELECT 1 -")
})
