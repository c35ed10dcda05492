import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import * as QueryLayer from "../../layers/table/trino/Query.ts"
import { create } from "../../layers/table/trino/weatherTable.ts"
import { Query } from "../../services/Query.ts"
import { expected, statement } from "../table/trino/trinoValues.ts"

const rowsOf = Effect.fnUntraced(function* (sql: string) {
  return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
}, Effect.scoped)

/** A million rows. */
const million = "UNNEST(sequence(1, 1000)) a(x) CROSS JOIN UNNEST(sequence(1, 1000)) b(y)"
/** Hours of work. */
const endless = (mark: string) =>
  `SELECT count(*) AS ${mark} FROM ${million} CROSS JOIN UNNEST(sequence(1, 10000)) c(z) CROSS JOIN UNNEST(sequence(1, 10000)) d(w) WHERE sqrt(x * y) + z > w`

const queries = (mark: string) =>
  rowsOf(
    `SELECT query_id, state, coalesce(error_code, '') FROM system.runtime.queries WHERE query LIKE 'SELECT count(*) AS ${mark} %'`
  )

const inState = (mark: string, wanted: string) =>
  queries(mark).pipe(
    Effect.filterOrFail((rows) => rows.some(([, state]) => state === wanted)),
    Effect.retry(Schedule.max([Schedule.spaced("200 millis"), Schedule.recurs(100)])),
    Effect.map((rows) => rows.at(-1) ?? [])
  )

const mark = () => `x_trino_${process.pid}_${Math.trunc(performance.now())}`

layer(QueryLayer.layer, { excludeTestServices: true })("Trino", (it) => {
  it.effect("keeps the values of each type", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* rowsOf(statement), [expected])
    })
  )

  it.effect("the table is as it should be", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* create("warehouse"), "present")
    })
  )

  it.effect("bad statements fail with the engine's message", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(rowsOf("SELECT\n nothing FROM iceberg.default.weather"))
      assert.strictEqual(error._tag, "QueryFailed")
      assert.strictEqual(error.message, "line 2:2: Column 'nothing' cannot be resolved")
    })
  )

  it.effect("all rows of many pages come, in a stream", () =>
    Effect.gen(function* () {
      const { rows } = yield* (yield* Query).execute(`SELECT x * 1000 + y FROM ${million}`)
      const sum = yield* Stream.runFold(
        rows,
        () => ({ count: 0, sum: 0 }),
        ({ count, sum }, [n]) => ({ count: count + 1, sum: sum + Number(n) })
      )
      assert.deepStrictEqual(sum, { count: 1_000_000, sum: 501_000_500_000 })
    }).pipe(Effect.scoped)
  )

  it.effect("one that fails half way is an error, and not an end of rows", () =>
    Effect.gen(function* () {
      const { rows } = yield* (yield* Query).execute(
        `SELECT IF(x = 1000 AND y = 1000, CAST(fail('half way') AS bigint), x) FROM ${million}`
      )
      let count = 0
      const error = yield* Effect.flip(Stream.runForEach(rows, () => Effect.sync(() => count++)))
      assert.strictEqual(error._tag, "QueryFailed")
      assert.strictEqual(error.message, "half way")
      assert.isAbove(count, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("an interruption cancels the query in the engine", () =>
    Effect.gen(function* () {
      const name = mark()
      const fiber = yield* Effect.forkChild(rowsOf(endless(name)))
      yield* inState(name, "RUNNING")
      yield* Fiber.interrupt(fiber)
      const [, , code] = yield* inState(name, "FAILED")
      assert.strictEqual(code, "USER_CANCELED")
    })
  )

  it.effect("a query that an administrator ends is cancelled", () =>
    Effect.gen(function* () {
      const name = mark()
      const fiber = yield* Effect.forkChild(Effect.flip(rowsOf(endless(name))))
      const [id] = yield* inState(name, "RUNNING")
      yield* rowsOf(`CALL system.runtime.kill_query(query_id => '${id}', message => 'enough of it')`)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "QueryCancelled")
      assert.include(error.message, "enough of it")
    })
  )
})
