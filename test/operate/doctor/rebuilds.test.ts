import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import * as MemoryStreams from "../../../layers/log/memory/Streams.ts"
import { rebuilds } from "../../../layers/operate/doctor/distributed/processors.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { type RunningRebuild, Streams } from "../../../services/Streams.ts"
import { hourly, mapped } from "../../support/processorDefinitions.ts"

const found = (phase: RunningRebuild["phase"] | undefined, members: number) =>
  Effect.gen(function* () {
    const { setRebuild } = yield* Streams
    yield* setRebuild(phase && { definitions: [hourly, mapped], generation: 2, former: {}, phase }, undefined)
    return (yield* rebuilds.run).map(({ finding, fix, warning = false }) => [finding, fix, warning])
  }).pipe(
    Effect.provide(Layer.fresh(MemoryStreams.layer)),
    Effect.provide(
      Layer.mock(ConsumerGroups, {
        find: (id) => {
          const one = { id: "1", clientId: "floe", host: "10.0.0.1", partitions: new Map() }
          return Effect.succeed(
            Option.some({ id, state: "Stable", offsets: [], members: Array.from({ length: members }, () => one) })
          )
        }
      })
    )
  )

it.effect("doctor names a rebuild of a processor that was interrupted, and the command that ends it", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* found(undefined, 0), [])
    assert.deepStrictEqual(yield* found("abandoned", 0), [])
    const interrupted = "A rebuild of the processor hourly was interrupted."
    assert.deepStrictEqual(yield* found("filling", 0), [
      [interrupted, "`floe processor rebuild hourly` begins again.", false]
    ])
    assert.deepStrictEqual(yield* found("switching", 0), [
      [interrupted, "`floe processor rebuild hourly` completes it.", false]
    ])
    assert.deepStrictEqual(yield* found("switching", 1), [
      ["The processor hourly is being rebuilt.", "Wait until it ends.", true]
    ])
  })
)
