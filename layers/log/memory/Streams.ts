/** Streams in memory: weather, and those that are recorded. For tests. */
import { Effect, Layer } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import type { AppliedStream, BegunStream } from "../../../services/StreamDefinition.ts"
import { NoSuchStream, type RunningRebuild, Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { nearest } from "../../runtime/nearest.ts"

export const layer = Layer.sync(Streams, () => {
  const histories = new Map<string, ReadonlyArray<AppliedStream>>([["weather", [weatherStream]]])
  const all = Effect.sync(() => [...histories.values()].flatMap((history) => history.at(-1) ?? []))
  const processors = new Map<string, ProcessorDefinition>()
  const paused = new Set<string>()
  const generations = new Map<string, number>()
  let rebuild: RunningRebuild | undefined
  const begun = new Map<string, BegunStream>()
  return Streams.of({
    all,
    begin: (stream, isHeld = false) =>
      Effect.sync(() => void begun.set(stream.definition.name, { ...stream, ...(isHeld && { isHeld }) })),
    withdraw: (name) => Effect.sync(() => void begun.delete(name)),
    pending: Effect.sync(() => [...begun.values()]),
    find: Effect.fnUntraced(function* (name) {
      const found = histories.get(name)?.at(-1)
      if (found !== undefined) return found
      return yield* new NoSuchStream({ name, nearest: nearest(name, [...histories.keys()]) ?? null })
    }),
    history: (name) => Effect.sync(() => histories.get(name) ?? []),
    processors: Effect.sync(() => [...processors.values()]),
    recordProcessor: (processor) => Effect.sync(() => void processors.set(processor.name, processor)),
    paused: Effect.sync(() => paused),
    setPaused: (name, isPaused) => Effect.sync(() => void (isPaused ? paused.add(name) : paused.delete(name))),
    generations: Effect.sync(() => generations),
    setGeneration: ({ definitions, generation }) =>
      Effect.sync(() => definitions.forEach(({ name }) => void generations.set(name, generation))),
    rebuild: Effect.sync(() => rebuild),
    setRebuild: (now) =>
      Effect.sync(() => {
        rebuild = now
      }),
    record: (stream) =>
      Effect.sync(() => {
        const { name } = stream.definition
        histories.set(name, [...(histories.get(name) ?? []), stream])
        begun.delete(name)
      })
  })
})
