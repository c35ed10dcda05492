/** Processors on Kafka, run again over the topics that they read; judged by the independent program. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as TransactionalProducer from "../../layers/process/kafka/TransactionalProducer.ts"
import { expectedWindows } from "../process/expectedWindows.ts"
import { floe } from "../support/program.ts"
import { clicksFrom, expectedOf, kafkaProject, record } from "./kafkaProcessors.ts"
import { environment, recorded } from "./kafkaProject.ts"
import { deletedBefore, written } from "./kafkaTopic.ts"

it.live(
  "gives the same rows while the processor works, names exactly what differs, and shows the state of the past",
  () =>
    Effect.gen(function* () {
      const { append, cwd, messages, name, outputs, start } = yield* kafkaProject()
      const succeeds = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { code, err, out } = yield* floe(["processor", ...args, "--json"], environment, { cwd })
        assert.strictEqual(code, 0, `${args.join(" ")}: ${out}${err}`)
        return JSON.parse(out)
      })
      const tested = succeeds("test", `${name}_minute`, "--from-log")
      const until = (rows: number) =>
        Effect.repeat(outputs, {
          schedule: Schedule.spaced("50 millis"),
          until: (found) => found.rows.length >= rows
        }).pipe(Effect.timeout("60 seconds"))

      yield* recorded(cwd)
      assert.match(
        (yield* floe(["processor", "test", `${name}_minute`, "--from-log"], environment, { cwd })).err,
        /has not begun; start it first/
      )
      yield* start
      const all = clicksFrom(0, 30_000)
      const expected = expectedOf(all)
      const appending = yield* Effect.forkChild(append(all))
      yield* until(1)
      const { streams: whileRunning } = yield* tested
      yield* Fiber.join(appending)
      for (const { added, firstAt, removed } of whileRunning)
        assert.deepStrictEqual([added, removed, firstAt], [0, 0, null])

      yield* until(expected.rows.length)
      const outcome = (stream: string, same: number) => ({
        stream: `${name}_${stream}`,
        same,
        added: 0,
        removed: 0,
        isCut: false,
        firstAt: null,
        examples: []
      })
      const healthy = [outcome("minutes", expected.rows.length), outcome("minute_late", expected.late.length)]
      assert.deepStrictEqual((yield* tested).streams, healthy)

      const sales = yield* messages("sales")
      const count = 1_000
      const { open } = expectedWindows(
        { window: { type: "tumbling", size: 60_000 }, outOfOrder: 5_000, lateness: 0 },
        all
          .filter(({ page }) => page === "sale")
          .slice(0, count)
          .map(({ at, id, visitor }) => ({ id, key: visitor, at }))
      )
      const text = (millis: number) => new Date(millis).toISOString().replace("Z", "000Z")
      const past = yield* succeeds("at", `${name}_minute`, "--offset", String(sales[count]?.offset))
      assert.sameDeepMembers(
        past,
        open.map(({ end, events, key, start }) => ({
          key,
          window_start: text(start),
          window_end: text(end),
          ids: events
        }))
      )

      const module = join(cwd, "floe.streams.ts")
      const code = readFileSync(module, "utf8")
      writeFileSync(module, code.replace("ids: s.ids })", `ids: visitor === "v3" ? "none" : s.ids })`))
      const [changed] = (yield* tested).streams
      const ofV3 = expected.rows.filter((row) => JSON.parse(row).visitor === "v3")
      assert.isAbove(ofV3.length, 20)
      assert.deepInclude(changed, {
        same: expected.rows.length - ofV3.length,
        added: ofV3.length,
        removed: ofV3.length,
        firstAt: expected.rows.indexOf(ofV3[0] ?? "")
      })
      assert.includeMembers(
        ofV3,
        changed.examples
          .filter(({ kind }: { readonly kind: string }) => kind === "removed")
          .map(({ row }: { readonly row: string }) => row)
      )
      writeFileSync(module, code)

      const foreign = [JSON.stringify({ visitor: "x", minute: text(0), ids: "1" }), expected.rows[5] ?? ""]
      yield* written(
        `${name}_minutes`,
        foreign.map((row) => ({ key: null, value: Buffer.from(row) }))
      )
      const [withForeign] = (yield* tested).streams
      assert.deepStrictEqual(
        withForeign.examples,
        foreign.map((row) => ({ kind: "removed", row }))
      )
    }).pipe(Effect.provide(Cluster.layer)),
  180_000
)

it.live(
  "shows the state at a time in a stream whose events were committed long after they were accepted",
  () =>
    Effect.gen(function* () {
      const { cwd, name, outputs, start } = yield* kafkaProject()
      yield* recorded(cwd)
      const sales = clicksFrom(1, 30).filter(({ page }) => page === "sale")
      const closing = clicksFrom(9_999, 1)
      const producer = yield* TransactionalProducer.connect(`x-${name}`, `${name}_sales`)
      // Each in a transaction of its own, whose marker has the time of today.
      for (const [index, sale] of [...sales, ...closing].entries()) {
        yield* producer.begin
        const value = Buffer.from(record(sale))
        yield* producer.within(() =>
          producer.produce(`${name}_sales`, 0, value, Buffer.from(sale.visitor), Date.UTC(2026, 10, 27, 12, index))
        )
        yield* producer.commit
      }
      yield* start
      yield* Effect.repeat(outputs, {
        schedule: Schedule.spaced("50 millis"),
        until: ({ rows }) => rows.length > 0
      }).pipe(Effect.timeout("60 seconds"))
      const at = floe(["processor", "at", `${name}_minute`, "--time", "2026-11-27T12:04", "--json"], environment, {
        cwd
      })
      const { err, out } = yield* at
      assert.strictEqual(err, "")
      const ids = JSON.parse(out).flatMap(({ ids }: { readonly ids: string }) => ids.split(" "))
      const earlier = sales.slice(0, 4).map(({ id }) => id)
      assert.sameMembers(ids, earlier)
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)

it.live(
  "begins with the first event that is left of its input, and runs again from there until that has expired",
  () =>
    Effect.gen(function* () {
      const { append, cwd, name, outputs, start } = yield* kafkaProject()
      yield* recorded(cwd)
      const all = clicksFrom(0, 3_000)
      yield* append(all)
      yield* deletedBefore(`${name}_clicks`, 1_000)
      yield* start
      const expected = expectedOf(all.slice(1_000))
      yield* Effect.repeat(outputs, {
        schedule: Schedule.spaced("50 millis"),
        until: ({ rows, sales }) => rows.length >= expected.rows.length && sales.length >= expected.sales.length
      }).pipe(Effect.timeout("60 seconds"))
      assert.deepStrictEqual(yield* outputs, expected)
      const test = floe(["processor", "test", `${name}_only`, "--from-log", "--json"], environment, { cwd })
      const [sales] = JSON.parse((yield* test).out).streams
      assert.deepInclude(sales, { same: expected.sales.length, added: 0, removed: 0, firstAt: null })
      yield* deletedBefore(`${name}_clicks`, 1_500)
      assert.include((yield* test).err, "begins at offset 1500: earlier events have expired or were deleted")
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)

it.live(
  "repeats the moments at which windows were closed by the clock",
  () =>
    Effect.gen(function* () {
      const { append, cwd, messages, name, outputs, start } = yield* kafkaProject('closeWhenIdle: "1 second",')
      yield* recorded(cwd)
      const clicks = clicksFrom(0, 200)
      yield* append(clicks)
      yield* start
      const closing = { id: "closes", visitor: "", at: Date.now(), page: "sale" }
      const expected = expectedOf([...clicks, closing]).rows
      yield* Effect.repeat(outputs, {
        schedule: Schedule.spaced("50 millis"),
        until: ({ rows }) => rows.length >= expected.length
      }).pipe(Effect.timeout("60 seconds"))
      const floeJson = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        return JSON.parse((yield* floe(["processor", ...args, "--json"], environment, { cwd })).out)
      })
      const [rows] = (yield* floeJson("test", `${name}_minute`, "--from-log")).streams
      assert.deepInclude(rows, { same: expected.length, added: 0, removed: 0, firstAt: null })
      assert.deepStrictEqual(yield* floeJson("at", `${name}_minute`, "--offset", "1000000"), [])
      const accepted = (yield* messages("sales")).map(({ timestamp = 0 }) => timestamp)
      const beforeTheClock = new Date(Math.max(...accepted) + 1).toISOString()
      const open = yield* floeJson("at", `${name}_minute`, "--time", beforeTheClock)
      assert.strictEqual(open.length, expected.length - expectedOf(clicks).rows.length)
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)
