/** Makes checks: all at once, each as soon as those that it needs are done. */
import { Effect, Fiber } from "effect"
import { type Check, type Finding, needsFix } from "../../../services/Checks.ts"
import { sentenceOf } from "../../runtime/Shutdown.ts"

const timeLimit = "15 seconds"

export interface CheckResult {
  readonly name: string
  readonly ok: string
  readonly findings: ReadonlyArray<Finding>
  /** The ill checks for whose sake this one was not made; empty if it was. */
  readonly waitsFor: ReadonlyArray<string>
}

const unchecked = ({ ok }: Check, error: Error): Finding => ({
  finding: `It could not be checked: ${sentenceOf(error)}`,
  consequence: `It is not known whether this is so: ${ok}`,
  fix: "Mend that first, then run floe doctor again."
})

const made = Effect.fnUntraced(function* (check: Check, needed: ReadonlyArray<Fiber.Fiber<CheckResult>>) {
  const { name, ok } = check
  const before = yield* Effect.forEach(needed, Fiber.join)
  const waitsFor = new Set(before.flatMap((one) => (needsFix(one.findings) ? [one.name] : one.waitsFor)))
  if (waitsFor.size > 0) return { name, ok, findings: [], waitsFor: [...waitsFor] }
  const findings = yield* check.run.pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.fail(new Error(`no answer within ${timeLimit}`))
    }),
    Effect.catch((error) => Effect.succeed([unchecked(check, error)]))
  )
  return { name, ok, findings, waitsFor: [] }
})

/** In the order of the checks; `progress` is told which are left. */
export const runChecks = Effect.fn("Checks.examine")(function* (
  all: ReadonlyArray<Check>,
  progress: (left: ReadonlySet<string>) => Effect.Effect<void>
) {
  const left = new Set(all.map(({ name }) => name))
  const fibers = new Map<string, Fiber.Fiber<CheckResult>>()
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
