/** Random runs on Kafka. FLOE_SEEDS=<count> sets how many, FLOE_SEED=<seed> runs one of them again. */
import { Effect } from "effect"

const one = process.env.FLOE_SEED
const wanted = Number(process.env.FLOE_SEEDS)

/** Whether all that a test wants to see has a chance to happen. */
export const isMany = one === undefined

/** The seeds to run, if FLOE_SEEDS does not say how many: from 1 to `usual`. */
export const seedsOf = (usual: number) =>
  one === undefined ? Array.from({ length: wanted > 0 ? wanted : usual }, (_, i) => i + 1) : [Number(one)]

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
