/** Changes of streams that died half-way. The programs run on: the log's version is in force, and its events fit the table. */
import { Effect, Layer } from "effect"
import * as Settings from "../../services/Settings.ts"
import { Streams } from "../../services/Streams.ts"
import { TableEvolution } from "../../services/TableEvolution.ts"

const warn = Effect.gen(function* () {
  const { inspect } = yield* TableEvolution
  for (const applied of yield* (yield* Streams).all) {
    const { name } = applied.definition
    const { begun } = yield* inspect(name, applied)
    if (begun?.isBinding !== true) continue
    yield* Effect.logWarning(
      `A change of the stream ${name} to version ${begun.next.version} stopped ${begun.stopped}, and version ${applied.version} is still in force; run floe streams apply to complete it.`
    )
  }
}).pipe(
  // Whoever needs what cannot be read reports it.
  Effect.catch(() => Effect.void)
)

/** Names them in the log of a program of the embedded profile; in the distributed one, floe doctor does. */
export const layer = <E>(evolution: Layer.Layer<Streams | TableEvolution, E>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      if ((yield* Settings.profile) === "embedded") yield* Effect.provide(warn, evolution)
    })
  )
