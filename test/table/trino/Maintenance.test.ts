import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import * as MemoryLog from "../../../layers/log/memory/EventLog.ts"
import * as QueryLayer from "../../../layers/table/trino/Query.ts"
import * as RetryOnConflict from "../../../layers/table/trino/retryOnConflict.ts"
import * as SnapshotChain from "../../../layers/table/trino/SnapshotChain.ts"
import { mergeAll, mergeStatements, statementCount } from "../../../layers/table/trino/smallFiles.ts"
import * as UncommittedFiles from "../../../layers/table/trino/uncommittedFiles.ts"
import { EventLog } from "../../../services/EventLog.ts"
import { Query } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { type Answer, serving } from "../../support/httpService.ts"

it("given the small files of partitions of a stream, when they are merged, then a statement takes as many as it may, by their paths", () => {
  const paths = (from: number, count: number) => Array.from({ length: count }, (_, i) => `s3a://w/it's/${from + i}`)
  const partitions = [paths(0, 2), paths(2, 499), paths(501, 1_001), paths(1_502, 3)].map((some) => ({
    paths: some,
    files: some.length,
    bytes: 1
  }))
  const statements = mergeAll("order", partitions)
  assert.strictEqual(
    mergeAll("order", partitions.slice(0, 1))[0],
    `ALTER TABLE iceberg.default."order" EXECUTE optimize(file_size_threshold => '33554432B') WHERE "$path" IN ('s3a://w/it''s/0', 's3a://w/it''s/1')`
  )
  const merged = statements.map((statement) => [...statement.matchAll(/it''s\/(\d+)/g)].map(([, at]) => Number(at)))
  assert.deepStrictEqual(
    merged.flat(),
    Array.from({ length: 1_505 }, (_, i) => i)
  )
  assert.deepStrictEqual(
    merged.map(({ length }) => length),
    [2, 499, 500, 500, 4]
  )
})

describe("statements of maintenance", () => {
  it("expiry names a time, not an age that grows until the statement starts", () => {
    assert.strictEqual(
      SnapshotChain.expire("weather", Date.UTC(2026, 0, 8, 14, 5, 6, 789)),
      "ALTER TABLE iceberg.default.weather EXECUTE expire_snapshots(retention_threshold => CAST(to_milliseconds(current_timestamp - TIMESTAMP '2026-01-08 14:05:06.789 UTC') AS varchar) || 'ms')"
    )
  })

  const paths = Array.from(
    { length: 1_234 },
    (_, i) => `s3a://w/data/ts=it's here/${String(i).padStart(4, "0")}.parquet`
  )

  it.effect("a merge covers one partition and at most 500 files, each file once", () =>
    Effect.gen(function* () {
      const ts = "it's here"
      assert.deepStrictEqual(yield* mergeStatements("weather", { ts, files: 500, bytes: 10 }), [
        "ALTER TABLE iceberg.default.weather EXECUTE optimize(file_size_threshold => '33554432B') WHERE ts = 'it''s here'"
      ])
      const many = { ts, files: paths.length, bytes: 10 }
      const statements = yield* mergeStatements("weather", many)
      assert.strictEqual(statements.length, statementCount([many]))
      const named = statements.map((statement) => {
        assert.match(statement, / WHERE ts = 'it''s here' AND "\$path" IN \('.*'\)$/)
        return statement.match(/s3a:[^,]*parquet/g) ?? []
      })
      for (const some of named) assert.isAtMost(some.length, 500)
      assert.deepStrictEqual(
        named.flat(),
        paths.map((path) => path.replace("'", "''"))
      )
    }).pipe(
      Effect.provide(
        Layer.mock(Query, {
          execute: () => Effect.succeed({ columns: [], rows: Stream.fromIterable(paths.map((path) => [path])) })
        })
      )
    )
  )

  const failed = (message: string, errorName: string): Answer => ({
    status: 200,
    body: JSON.stringify({ id: "1", error: { message, errorName, errorType: "EXTERNAL" } })
  })
  const changing = (base: string) =>
    Effect.gen(function* () {
      const news: Array<string> = []
      const change = RetryOnConflict.make((text) => Effect.sync(() => news.push(text)))
      const outcome = yield* Effect.result(change("merging", "ALTER TABLE t EXECUTE optimize"))
      return { outcome, news }
    }).pipe(Effect.provide(QueryLayer.at(new URL(base), "floe", { "iceberg.x": "1, 2" })))

  it.live("retries a statement that lost against another writer, with its session, and reports it", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(({ method }, base) => {
        if (method === "GET") return { status: 200, body: '{"id":"1","columns":[]}' }
        if (seen.filter(({ method }) => method === "POST").length === 1) {
          return failed("Failed to commit during optimize: Missing required files to delete", "ICEBERG_COMMIT_ERROR")
        }
        return { status: 200, body: JSON.stringify({ id: "1", columns: [], nextUri: `${base}/v1/next` }) }
      })
      const { outcome, news } = yield* changing(base)
      assert.strictEqual(outcome._tag, "Success")
      assert.deepStrictEqual(
        seen.map(({ method }) => method),
        ["POST", "POST", "GET"]
      )
      assert.strictEqual(seen[0]?.headers["x-trino-session"], "iceberg.x=1%2C%202")
      assert.deepStrictEqual(news.slice(0, 2), ["merging", "merging, retrying because the table changed meanwhile"])
    }).pipe(Effect.scoped)
  )

  it.live("a statement with another failure, even on its last page, fails at once", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(({ method }, base) =>
        method === "GET"
          ? failed("Access Denied: no", "PERMISSION_DENIED")
          : { status: 200, body: JSON.stringify({ id: "1", columns: [], nextUri: `${base}/v1/next` }) }
      )
      const { outcome } = yield* changing(base)
      assert.strictEqual(outcome._tag === "Failure" && outcome.failure.message, "Access Denied: no")
      assert.strictEqual(seen.length, 2)
    }).pipe(Effect.scoped)
  )
})

describe("orphan files that may be the sink's", () => {
  const commit = { id: "c", controlTopic: "control", end: 7 }
  const since = (newest: Option.Option<typeof commit>, committed: number | undefined, before: number) =>
    Effect.gen(function* () {
      const { append } = yield* EventLog
      const record = { city: "Oslo", temperature: "1", ts: "2026-01-08-14" }
      yield* append({ records: [record, record] })
      const positions = new Map(committed === undefined ? [] : [["c", [{ partition: 0, offset: committed }]] as const])
      return yield* UncommittedFiles.uncommittedSince(newest, before).pipe(
        Effect.provide(Layer.mock(SinkCommits, { positions: () => Effect.succeed(positions) }))
      )
    }).pipe(Effect.provide(MemoryLog.layer))

  it.effect("given uncommitted old events, when orphans are judged, then they are kept", () =>
    Effect.gen(function* () {
      const past = -1
      const future = 1
      assert.deepStrictEqual(yield* since(Option.some(commit), 2, future), Option.none())
      assert.deepStrictEqual(yield* since(Option.some(commit), 1, past), Option.none())
      assert.include(Option.getOrThrow(yield* since(Option.some(commit), 1, future)), "not in the table yet")
      assert.include(
        Option.getOrThrow(yield* since(Option.some(commit), undefined, past)),
        "it is unknown what the sink has committed"
      )
      assert.include(
        Option.getOrThrow(yield* since(Option.none(), 2, past)),
        "it is unknown what the sink has committed"
      )
    })
  )
})
