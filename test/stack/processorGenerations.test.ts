/** A generation of a processor that is filled beside the one in use: the same rows, where the clock has closed windows, too. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import { generationsKey, rebuildKey } from "../../layers/log/kafka/streamRecords.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { type RunningRebuild, Streams } from "../../services/Streams.ts"
import { deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { clicksFrom, kafkaProject } from "./kafkaProcessors.ts"
import { compiled, forgotten, topics } from "./kafkaProject.ts"

it.live(
  "a generation that is filled gets the rows of the one in use, and goes on once it is put in its place",
  () =>
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => forgotten([rebuildKey, generationsKey]))
      const { append, cwd, messages, name, start } = yield* kafkaProject('closeWhenIdle: "1 second",')
      const { setGeneration, setRebuild } = yield* Streams
      const begun = Effect.fnUntraced(function* (all: ReadonlyArray<ProcessorDefinition>, generation: number) {
        const [first, ...more] = all
        assert.isDefined(first)
        const rebuild: RunningRebuild = { definitions: [first, ...more], generation, former: {}, phase: "filling" }
        yield* setRebuild(rebuild, undefined)
        return rebuild
      })
      const putInPlace = (rebuild: RunningRebuild) =>
        Effect.andThen(setGeneration(rebuild), setRebuild(undefined, rebuild))
      const topicsOf = (generation: number, suffixes: ReadonlyArray<string>, processors: ReadonlyArray<string>) => {
        const streams = suffixes.map((suffix) => `${name}_${suffix}-${generation}`)
        return topics(
          [...streams, ...streams.map(deadLettersOf)].map((topic) => [topic, 1]),
          processors.map((processor) => [stateTopicOf(`${processor}-${generation}`), 1])
        )
      }
      const valuesOf = (suffix: string) =>
        Effect.map(messages(suffix), (all) => all.map(({ value }) => String(value)).filter((value) => value !== ""))
      const until = (suffix: string, count: number) =>
        Effect.repeat(valuesOf(suffix), {
          schedule: Schedule.spaced("100 millis"),
          until: (found) => found.length >= count
        }).pipe(Effect.timeout("60 seconds"))

      yield* start
      /** Until each of so many sales is in a row, or late. */
      const closed = (count: number) =>
        Effect.gen(function* () {
          const rows = yield* valuesOf("minutes")
          const late = yield* valuesOf("minute_late")
          const ids = rows.flatMap((row) => String(JSON.parse(row).ids).split(" "))
          return { rows, late, done: ids.length + late.length >= count }
        }).pipe(
          Effect.repeat({ schedule: Schedule.spaced("100 millis"), until: ({ done }) => done }),
          Effect.timeout("60 seconds")
        )
      // 150 seconds; the clock closes the third minute before its other half comes.
      yield* append(clicksFrom(0, 300))
      yield* closed(100)
      yield* append(clicksFrom(300, 300))
      const { late, rows } = yield* closed(200)
      const sales = yield* until("sales", 200)
      assert.isAbove(late.length, 20)

      const minute = `${name}_minute`
      const definitions = yield* compiled(cwd)
      const ofMinute = definitions.filter((one) => one.name === minute)
      yield* topicsOf(2, ["minutes", "minute_late"], [minute])
      const second = yield* begun(ofMinute, 2)
      yield* until("minutes-2", rows.length)
      assert.deepStrictEqual(yield* valuesOf("minutes-2"), rows)
      assert.deepStrictEqual(yield* valuesOf("minute_late-2"), late)
      yield* putInPlace(second)

      const both = [`${name}_only`, minute] as const
      yield* topicsOf(3, ["sales", "minutes", "minute_late"], both)
      const third = yield* begun(definitions, 3)
      yield* until("minutes-3", rows.length)
      assert.deepStrictEqual(yield* valuesOf("sales-3"), sales)
      assert.deepStrictEqual(yield* valuesOf("minutes-3"), rows)
      assert.deepStrictEqual(yield* valuesOf("minute_late-3"), late)
      yield* putInPlace(third)

      yield* append(clicksFrom(1_000, 3))
      // By the clock, its minute is long over.
      assert.include((yield* until("minute_late-3", late.length + 1)).at(-1), '"id":"1002"')
    }).pipe(Effect.scoped, Effect.provide(StreamsLayer.layer.pipe(Layer.provideMerge(Cluster.layer)))),
  240_000
)
