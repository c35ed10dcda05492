/** A processor on Kafka that reads three partitions by another key, while something changes around it. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import { nightly } from "../support/nightly.ts"
import { floe } from "../support/program.ts"
import { count, isWhole, poll, requireCopy, working } from "./byKeyCopy.ts"
import * as Broker from "./kafkaBroker.ts"
import { byKeyProject, type Logged, openWindows } from "./kafkaByKey.ts"
import { clicksFrom } from "./kafkaProcessors.ts"
import * as KafkaProject from "./kafkaProject.ts"
import { written } from "./kafkaTopic.ts"

it.live.runIf(nightly)(
  "goes on by itself after the broker is restarted in the middle of the copying",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject()
      const events = 40_000
      yield* project.append(clicksFrom(0, events))
      yield* project.start
      yield* poll(project.byKey, (logs) => count(logs) > 0)
      yield* Broker.restarted
      yield* requireCopy(project, events)
    }).pipe(Effect.provide(Cluster.layer)),
  180_000
)

it.live(
  "the input's schema changes while it is copied: nothing is lost, and the clock closes windows only after the last copy",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject('closeWhenIdle: "1 second",')
      const former = yield* project.start
      yield* working(former, 4)
      yield* project.append(clicksFrom(0, 600))
      yield* poll(project.byKey, (logs) => count(logs) >= 600)
      yield* project.changed.apply
      yield* project.changed.append(clicksFrom(600, 900))
      yield* Effect.promise(() => former.printed(/_clicks has changed from version 1 to 2 since it started/))
      // Long enough for the clock, if the stream were quiet.
      const before = yield* project.beats
      yield* poll(project.beats, (now) => now > before + 3)
      assert.isBelow(count(yield* project.byKey), 1_500)
      former.signal("SIGTERM")
      yield* Effect.promise(() => former.ended)
      // The clock closes windows also where the last record of the input is no event.
      yield* written(`${project.name}_clicks`, [{ key: null, value: Buffer.from("x") }])
      project.write(project.changed.module)
      yield* project.start
      yield* poll(project.byKey, (logs) => count(logs) >= 1_500)
      const { actual, expected } = yield* poll(project.outputs, isWhole)
      assert.deepStrictEqual(actual, expected)
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)

it.live(
  "runs again over all of its topic by key, and shows the state of the past",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject()
      yield* KafkaProject.recorded(project.cwd)
      yield* project.start
      yield* project.append(clicksFrom(0, 3_000))
      yield* requireCopy(project, 3_000)
      const succeeds = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { code, err, out } = yield* floe(["processor", ...args, "--json"], KafkaProject.environment, {
          cwd: project.cwd
        })
        assert.strictEqual(code, 0, `${args.join(" ")}: ${out}${err}`)
        return JSON.parse(out)
      })
      const tested = yield* succeeds("test", project.processor, "--from-log")
      assert.strictEqual(tested.waiting, 0)
      for (const { added, removed } of tested.streams) assert.deepStrictEqual([added, removed], [0, 0])
      const logs = yield* project.byKey
      const statesBefore = (isBefore: (event: Logged) => boolean, of = logs) =>
        of.flatMap((log) => {
          // Offsets of a partition grow, times of acceptance need not.
          const first = log.findIndex((event) => !isBefore(event))
          return openWindows(first < 0 ? log : log.slice(0, first))
        })
      const middle = logs[1]?.[Math.floor(logs[1].length / 2)]
      assert.isDefined(middle)
      const { acceptedAt = 0, offset } = middle ?? { offset: 0 }
      const byOffset = yield* succeeds("at", project.processor, "--offset", String(offset))
      const upTo = (event: Logged) => event.offset < offset
      assert.sameDeepMembers(byOffset, statesBefore(upTo))
      assert.isAbove(byOffset.length, 3)
      const ofOne = succeeds("at", project.processor, "--offset", String(offset), "--partition", "1")
      if (nightly) assert.sameDeepMembers(yield* ofOne, statesBefore(upTo, logs.slice(1, 2)))
      const time = new Date(acceptedAt).toISOString()
      const byTime = yield* succeeds("at", project.processor, "--time", time)
      assert.sameDeepMembers(
        byTime,
        statesBefore((event) => (event.acceptedAt ?? 0) < acceptedAt)
      )
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)
