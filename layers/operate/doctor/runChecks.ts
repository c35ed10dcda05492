/** Makes checks: all at once, each as soon as those that it needs are done. */
import { Effect, Fiber } from "effect"
import { type Check, type Finding, isIll } from "../../../services/Checks.ts"
import { sentenceOf } from "../../runtime/Shutdown.ts"

const timeLimit = "15 seconds"

export interface Examined {
  readonly name: string
  readonly well: string
  readonly findings: ReadonlyArray<Finding>
  /** The ill checks for whose sake this one was not made; empty if it was. */
  readonly waitsFor: ReadonlyArray<string>
}

const unchecked = ({ well }: Check, error: Error): Finding => ({
  finding: `It could not be checked: ${sentenceOf(error)}`,
  consequence: `It is not known whether this is so: ${well}`,
  mend: "Mend that first, then run floe doctor again."
})

const made = Effect.fnUntraced(function* (check: Check, needed: ReadonlyArray<Fiber.Fiber<Examined>>) {
  const { name, well } = check
  const before = yield* Effect.forEach(needed, Fiber.join)
  const waitsFor = new Set(before.flatMap((one) => (isIll(one.findings) ? [one.name] : one.waitsFor)))
  if (waitsFor.size > 0) return { name, well, findings: [], waitsFor: [...waitsFor] }
  const findings = yield* check.run.pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.fail(new Error(`no answer within ${timeLimit}`))
    }),
    Effect.catch((error) => Effect.succeed([unchecked(check, error)]))
  )
  return { name, well, findings, waitsFor: [] }
})

/** In the order of the checks; `progress` is told which are left. */
export const examine = Effect.fn("Checks.examine")(function* (
  all: ReadonlyArray<Check>,
  progress: (left: ReadonlySet<string>) => Effect.Effect<void>
) {
  const left = new Set(all.map(({ name }) => name))
  const fibers = new Map<string, Fiber.Fiber<Examined>>()
  for (const check of all) {
    const needed = (check.needs ?? []).flatMap((name) => fibers.get(name) ?? [])
    const done = Effect.suspend(() => {
      left.delete(check.name)
      return progress(left)
    })
    fibers.set(check.name, yield* Effect.forkChild(Effect.tap(made(check, needed), done)))
  }
  return yield* Effect.forEach(fibers.values(), Fiber.join)
})
