/** Runs seeds on Kafka. */
import { Effect } from "effect"

/** Runs eight seeds at a time, says how far it is, and names the seed that fails. */
export const forEachSeed = Effect.fnUntraced(function* <A, E, R>(
  seeds: ReadonlyArray<number>,
  run: (seed: number) => Effect.Effect<A, E, R>
) {
  let done = 0
  return yield* Effect.forEach(
    seeds,
    (seed) =>
      run(seed).pipe(
        Effect.tapCause(() => Effect.logError(`FLOE_SEED=${seed} runs it alone`)),
        Effect.tap(() => {
          done++
          return done % 50 === 0 ? Effect.sync(() => console.log(`${done} of ${seeds.length} seeds`)) : Effect.void
        })
      ),
    { concurrency: 8 }
  )
})

export const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
