/** Check that no change of a stream was left half-way. */
import { Effect } from "effect"
import type { Finding } from "../../../services/Checks.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableEvolution } from "../../../services/TableEvolution.ts"

interface Options {
  /** The streams that may have such a change. */
  readonly names: ReadonlyArray<string>
  /** Whether an apply is running now, so that a change is not finished yet. */
  readonly isRunning: Effect.Effect<boolean>
  readonly needs: ReadonlyArray<string>
}

export const halfDone = ({ isRunning, names, needs }: Options) => ({
  name: "changes",
  ok: "No change of a stream has stopped half-way.",
  needs,
  run: Effect.gen(function* () {
    const streams = yield* Streams
    const { inspect } = yield* TableEvolution
    const begun = yield* Effect.forEach(
      names,
      Effect.fnUntraced(function* (name) {
        const applied = (yield* streams.history(name)).at(-1)
        const { begun } = yield* inspect(name, applied)
        return begun === undefined ? [] : [{ name, before: applied?.version, ...begun }]
      }),
      { concurrency: 4 }
    )
    const changes = begun.flat()
    if (changes.length === 0) return []
    const running = yield* isRunning
    return changes.map(({ before, isBinding, name, next: { version }, stopped }): Finding => {
      const consequence =
        before === undefined
          ? "The server does not accept its events yet."
          : `The server accepts events of version ${before}.`
      return running
        ? {
            finding: `floe streams apply is bringing in version ${version} of the stream ${name}.`,
            consequence,
            fix: "Wait until it ends.",
            warning: true
          }
        : {
            finding: `A change of the stream ${name} to version ${version} stopped ${stopped}.`,
            consequence,
            fix: isBinding
              ? `\`floe streams apply\` completes it, if the declaration has the stream ${name}; put it back there if it is gone.`
              : "`floe streams apply` completes it, or drops it if the declaration does not have it any more."
          }
    })
  })
})
