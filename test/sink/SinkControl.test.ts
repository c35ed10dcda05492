import { writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { temporary } from "../support/dataFolder.ts"

const live = SinkControl.layer.pipe(Layer.provideMerge(temporary))

/** The same folder as another process sees it: a second connection. */
const another = Effect.gen(function* () {
  const folder = yield* DataFolder
  return yield* Layer.build(SinkControl.layer).pipe(Effect.provideService(DataFolder, folder))
})

const edit = (sql: string) =>
  Effect.gen(function* () {
    const database = new DatabaseSync((yield* DataFolder).controlDatabase)
    const changes = database.prepare(sql).run().changes
    database.close()
    return Number(changes)
  })

describe("SinkControl", () => {
  it.effect("a request goes from requested to running to done, with times and outcome", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      yield* TestClock.setTime(1_000)
      const id = yield* control.request("maintain")
      yield* TestClock.setTime(2_000)
      yield* control.mark(id, "running")
      assert.deepStrictEqual(Option.getOrThrow(yield* control.find(id)), {
        id,
        command: "maintain",
        argument: null,
        state: "running",
        requestedAt: 1_000,
        heartbeatAt: 2_000,
        finishedAt: null,
        outcome: null
      })
      yield* TestClock.setTime(3_000)
      yield* control.mark(id, "done", "There was nothing to do.")
      assert.deepStrictEqual(Option.getOrThrow(yield* control.find(id)), {
        id,
        command: "maintain",
        argument: null,
        state: "done",
        requestedAt: 1_000,
        heartbeatAt: 3_000,
        finishedAt: 3_000,
        outcome: "There was nothing to do."
      })
      assert.isTrue(Option.isNone(yield* control.find(id + 1)))
    }).pipe(Effect.provide(live))
  )

  it.effect("the oldest unfinished request comes next, including one that a dead sink left running", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      assert.isTrue(Option.isNone(yield* control.next))
      const first = yield* control.request("pause")
      const second = yield* control.request("resume")
      yield* control.mark(first, "running")
      const restarted = yield* Effect.provide(SinkControl, yield* another)
      assert.strictEqual(Option.getOrThrow(yield* restarted.next).id, first)
      yield* restarted.mark(first, "failed", "The table is unavailable.")
      assert.strictEqual(Option.getOrThrow(yield* restarted.next).id, second)
      yield* restarted.mark(second, "done")
      assert.isTrue(Option.isNone(yield* control.next))
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.effect("the status is the last one reported, seen by every process", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      assert.isTrue(Option.isNone(yield* control.status))
      yield* TestClock.setTime(5_000)
      yield* control.report("running")
      yield* TestClock.setTime(6_000)
      yield* control.report("failed", "The log is gone.")
      const reader = yield* Effect.provide(SinkControl, yield* another)
      assert.deepStrictEqual(Option.getOrThrow(yield* reader.status), {
        state: "failed",
        heartbeatAt: 6_000,
        processId: process.pid,
        reason: "The log is gone."
      })
      yield* control.report("running")
      assert.isNull(Option.getOrThrow(yield* reader.status).reason)
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.effect("finished requests are deleted after a thousand more, unfinished ones never", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      const finished = yield* control.request("maintain")
      yield* control.mark(finished, "done")
      const unfinished = yield* control.request("pause")
      for (let i = 0; i < 1001; i++) yield* control.request("resume")
      assert.isTrue(Option.isNone(yield* control.find(finished)))
      assert.strictEqual(Option.getOrThrow(yield* control.next).id, unfinished)
    }).pipe(Effect.provide(live))
  )

  it.effect("a row that is not a request is an error, and not a request", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      yield* control.request("pause")
      yield* edit("UPDATE requests SET state = 'exploded'")
      const error = yield* Effect.flip(control.next)
      assert.match(error.message, /^The sink's control database is unavailable \(next\): .*\/control\.db: .*\.$/)
    }).pipe(Effect.provide(live))
  )

  it.effect("a command of another version fails, and does not block the next one", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      const unknown = yield* control.request("pause")
      yield* edit("UPDATE requests SET command = 'explode'")
      const known = yield* control.request("resume")
      yield* TestClock.setTime(1_000)
      assert.strictEqual(Option.getOrThrow(yield* control.next).id, known)
      yield* edit("UPDATE requests SET command = 'pause' WHERE command = 'explode'")
      const { state, finishedAt, outcome } = Option.getOrThrow(yield* control.find(unknown))
      assert.deepStrictEqual([state, finishedAt], ["failed", 1_000])
      assert.strictEqual(outcome, "This version of the sink has no command explode.")
    }).pipe(Effect.provide(live))
  )

  it.live("reports which file cannot be used, and why", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      writeFileSync(folder.controlDatabase, "no database, but as long as the header of one, and then some: ".repeat(4))
      const error = yield* Layer.build(SinkControl.layer).pipe(Effect.flip)
      assert.strictEqual(
        error.message,
        `The sink's control database is unavailable (open): ${folder.controlDatabase}: file is not a database.`
      )
    }).pipe(Effect.scoped, Effect.provide(temporary))
  )
})
