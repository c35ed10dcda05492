/** What the topic of streams says of a processor, as it was read last: which of its generations run, and whether it is paused. */
import { Effect, Schedule } from "effect"
import { type RunningRebuild, Streams } from "../../../services/Streams.ts"

/** Between two looks. */
export const lookInterval = "500 millis"

export interface Generation {
  readonly generation: number
  /** What fills it, beside the one in use. */
  readonly rebuild: RunningRebuild | undefined
}

export const isSame = (a: Generation, b: Generation) =>
  a.generation === b.generation && (a.rebuild === undefined) === (b.rebuild === undefined)

const following = <E>(look: Effect.Effect<void, E>) =>
  Effect.andThen(
    Effect.ignore(look),
    Effect.forkScoped(Effect.repeat(Effect.ignore(look), Schedule.spaced(lookInterval)))
  )

/** Follows it until the scope closes. */
export const followed = Effect.fnUntraced(function* (name: string) {
  const streams = yield* Streams
  let isPaused = false
  let running: ReadonlyArray<Generation> = []
  const look = Effect.gen(function* () {
    const inUse = (yield* streams.generations).get(name) ?? 1
    const rebuild = yield* streams.rebuild
    const isFilled =
      rebuild?.definitions.some((one) => one.name === name) === true &&
      rebuild.phase !== "abandoned" &&
      rebuild.generation !== inUse
    running = [
      { generation: inUse, rebuild: undefined },
      ...(isFilled ? [{ generation: rebuild.generation, rebuild }] : [])
    ]
    isPaused = (yield* streams.paused).has(name)
  })
  yield* following(look)
  return { isPaused: () => isPaused, running: () => running }
})

/**
 * Whether a rebuild has begun since this was called, or was put in place unseen, so that the module must be loaded again.
 * Follows it until the scope closes.
 */
export const newRebuild = Effect.gen(function* () {
  const streams = yield* Streams
  let known: { readonly filled: number | undefined; readonly newest: number } | undefined
  let isNew = false
  const look = Effect.gen(function* () {
    const rebuild = yield* streams.rebuild
    const filled = rebuild?.phase === "filling" ? rebuild.generation : undefined
    const newest = Math.max(1, ...(yield* streams.generations).values())
    known ??= { filled, newest }
    const isFilled = filled !== undefined && filled !== known.filled
    isNew ||= isFilled || (newest !== known.newest && newest !== known.filled)
  })
  yield* following(look)
  return () => isNew
})
