import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import fc from "fast-check"
import * as MemoryLog from "../../../layers/log/memory/EventLog.ts"
import * as QueryLayer from "../../../layers/table/trino/Query.ts"
import { type Ancestor, expireBefore, expiring, snapshotChain } from "../../../layers/table/trino/retention.ts"
import * as RetryOnConflict from "../../../layers/table/trino/retryOnConflict.ts"
import * as SnapshotChain from "../../../layers/table/trino/SnapshotChain.ts"
import { mergeStatements, statementCount } from "../../../layers/table/trino/smallFiles.ts"
import * as UncommittedFiles from "../../../layers/table/trino/uncommittedFiles.ts"
import { EventLog } from "../../../services/EventLog.ts"
import { Query } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { type Answer, serving } from "../../support/httpService.ts"

const minute = 60_000

/** A history whose commits may seem up to a minute older than the one before, with some that were rolled back. */
const histories = fc
  .array(
    fc.record({ later: fc.integer({ min: -minute, max: 10 * minute }), back: fc.nat({ max: 2 }), fork: fc.nat(9) }),
    {
      minLength: 1,
      maxLength: 60
    }
  )
  .map((commits) => {
    const snapshots: Array<Ancestor> = []
    let committedAt = 1_000_000_000_000
    for (const { later, back, fork } of commits) {
      committedAt += later
      const parent = snapshots.at(fork === 0 ? -1 - back : -1)
      snapshots.push({ id: `${snapshots.length}`, parentId: parent?.id ?? null, committedAt })
    }
    return snapshots
  })

/** What Iceberg's RemoveSnapshots keeps of a table whose one branch is main, told by its source. */
const keptByIceberg = (snapshots: ReadonlyArray<Ancestor>, currentId: string, olderThan: number) => {
  const kept = new Set<string>()
  const ancestors: Array<Ancestor> = []
  for (let id: string | null = currentId; id !== null; ) {
    const found = snapshots.find((snapshot) => snapshot.id === id)
    if (found === undefined) break
    ancestors.push(found)
    id = found.parentId
  }
  for (const { id, committedAt } of ancestors) {
    if (kept.size >= 1 && committedAt < olderThan) break
    kept.add(id)
  }
  const referenced = new Set(ancestors.map(({ id }) => id))
  for (const { id, committedAt } of snapshots) if (!referenced.has(id) && committedAt >= olderThan) kept.add(id)
  return kept
}

describe("snapshots that may expire", () => {
  it("are never those to keep, nor between the current one and the one with the sink's offsets", () => {
    const cases = fc.record({
      snapshots: histories,
      keep: fc.integer({ min: 1, max: 40 }),
      withOffsets: fc.nat(70),
      youngFor: fc.integer({ min: 0, max: 400 * minute }),
      trinoAhead: fc.integer({ min: -10 * minute, max: 10 * minute })
    })
    fc.assert(
      fc.property(cases, ({ snapshots, keep, withOffsets, youngFor, trinoAhead }) => {
        const current = snapshots.at(-1)
        if (current === undefined) return
        const line = snapshotChain(snapshots, current.id)
        const needed = withOffsets < line.length ? withOffsets + 1 : 0
        const young = current.committedAt + trinoAhead - youngFor
        const before = expireBefore(line, { keep, needed, young })
        const kept = keptByIceberg(snapshots, current.id, before)
        for (const { id } of line.slice(0, Math.max(keep, needed))) assert.isTrue(kept.has(id))
        for (const { id, committedAt } of line) if (committedAt >= young) assert.isTrue(kept.has(id))
        assert.deepStrictEqual(
          expiring(snapshots, line, before).map(({ id }) => id),
          snapshots.map(({ id }) => id).filter((id) => !kept.has(id))
        )
      }),
      { numRuns: 2_000 }
    )
  })

  it("are all others, where every commit is well apart from the next", () => {
    const snapshots = Array.from({ length: 10 }, (_, i) => ({
      id: `${i}`,
      parentId: i === 0 ? null : `${i - 1}`,
      committedAt: i * minute
    }))
    const line = snapshotChain(snapshots, "9")
    const expired = (keep: number, needed: number, young: number) =>
      expiring(snapshots, line, expireBefore(line, { keep, needed, young })).length
    assert.strictEqual(expired(3, 0, 60 * minute), 7)
    assert.strictEqual(expired(3, 5, 60 * minute), 5)
    assert.strictEqual(expired(3, 0, 2 * minute), 2)
    assert.strictEqual(expired(100, 0, 60 * minute), 0)
  })
})

describe("statements of maintenance", () => {
  it("Trino expires up to a time, and not by an age that grows until it begins", () => {
    assert.strictEqual(
      SnapshotChain.expire("weather", Date.UTC(2026, 0, 8, 14, 5, 6, 789)),
      "ALTER TABLE iceberg.default.weather EXECUTE expire_snapshots(retention_threshold => CAST(to_milliseconds(current_timestamp - TIMESTAMP '2026-01-08 14:05:06.789 UTC') AS varchar) || 'ms')"
    )
  })

  const paths = Array.from(
    { length: 1_234 },
    (_, i) => `s3a://w/data/ts=it's here/${String(i).padStart(4, "0")}.parquet`
  )

  it.effect("a merge is of one partition and of 500 files at most, each of them once", () =>
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

  it.live("one that lost against another writer is tried again, with its session, and says so", () =>
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

  it.live("one that fails otherwise, also on its last page, fails at once", () =>
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

describe("files that nobody names may be the sink's", () => {
  const commit = { id: "c", control: "control", end: 7 }
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

  it.effect("unless all that is old is committed", () =>
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
