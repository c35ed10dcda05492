/** Inputs that have lost events which a processor has read: a rebuild would lose their rows; a broker is all it needs. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import { requireSameInputs } from "../../layers/sink/connect/generationChecks.ts"
import { count, poll, requireCopy } from "./byKeyCopy.ts"
import { byKeyProject } from "./kafkaByKey.ts"
import { clicksFrom, kafkaProject } from "./kafkaProcessors.ts"
import { compiled, kill } from "./kafkaProject.ts"
import { deletedBefore } from "./kafkaTopic.ts"

const services = StreamsLayer.layer.pipe(Layer.provideMerge(Cluster.layer))

const polling = Schedule.spaced("100 millis")

it.live(
  "a rebuild is refused if the input begins after the offset from which the processor has read it",
  () =>
    Effect.gen(function* () {
      const { append, cwd, name, outputs, start } = yield* kafkaProject()
      const input = `${name}_clicks`
      const required = requireSameInputs((yield* compiled(cwd)).filter((one) => one.from === input))
      yield* append(clicksFrom(0, 900))
      yield* deletedBefore(input, 300)
      yield* start
      yield* Effect.repeat(outputs, { schedule: polling, until: ({ sales }) => sales.length >= 200 })
      yield* required
      yield* deletedBefore(input, 301)
      assert.strictEqual(
        (yield* Effect.flip(required)).message,
        `The topic ${input} begins at offset 301 of partition 0, and ${name}_only has read it from offset 300: earlier events have expired or were deleted. Only ${name}_sales still has their rows, and a rebuild would lose them. Give the changed processor another name and another output stream.`
      )
    }).pipe(Effect.provide(services)),
  60_000
)

it.live(
  "a rebuild is refused also if the topic by key still has what the input has lost",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject()
      const input = `${project.name}_clicks`
      const required = Effect.flatMap(compiled(project.cwd), requireSameInputs)
      yield* project.append(clicksFrom(0, 4_500))
      const lengths = (yield* project.input).map(({ length }) => length)
      const longest = lengths.indexOf(Math.max(...lengths))
      yield* deletedBefore(input, 300, longest)
      // Nothing of it was copied.
      yield* required
      const first = yield* project.start
      yield* poll(project.byKey, (logs) => count(logs) >= 4_200)
      yield* required
      kill(first)
      yield* project.start
      yield* project.append(clicksFrom(4_500, 500))
      yield* requireCopy(project, 4_700)
      yield* required
      yield* deletedBefore(input, 301, longest)
      assert.strictEqual(
        (yield* Effect.flip(required)).message,
        `The topic ${input} begins at offset 301 of partition ${longest}, and ${project.processor} has read it from offset 300: earlier events have expired or were deleted. Only ${project.name}_minutes still has their rows, and a rebuild would lose them. Give the changed processor another name and another output stream.`
      )
    }).pipe(Effect.provide(services)),
  120_000
)
