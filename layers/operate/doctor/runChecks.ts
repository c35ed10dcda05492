/** Runs checks beside each other, each as soon as those that it needs are done. */
import { Context, Effect, Fiber, Semaphore } from "effect"
import { type Check, CheckFailed, type Finding, needsFix } from "../../../services/Checks.ts"
import { sentenceOf } from "../../runtime/Shutdown.ts"

/** Of a check, once it has begun. */
const timeLimit = "15 seconds"
/** Of many streams, all at once would ask Trino for so much that none answers in time. */
const atOnce = 16

export interface CheckResult {
  readonly name: string
  readonly ok: string
  readonly findings: ReadonlyArray<Finding>
  /** The failed checks that made this one be skipped; empty if it ran. */
  readonly waitsFor: ReadonlyArray<string>
}

type AnyCheck = Check<unknown, unknown>
type Services<All extends ReadonlyArray<AnyCheck>> = Effect.Services<All[number]["run"]>

/** Gives checks the services that they use, from where this effect runs. */
export const provideChecks = <All extends ReadonlyArray<AnyCheck>>(
  all: All & ReadonlyArray<Check<unknown, Services<All>>>
) =>
  Effect.map(Effect.context<Services<All>>(), (context) => {
    const checks: ReadonlyArray<Check<unknown, Services<All>>> = all
    return checks.map(
      (check): Check => ({
        ...check,
        run: check.run.pipe(
          // What is current when the check runs wins: its span, its clock.
          Effect.updateContext((current: Context.Context<never>) => Context.merge(context, current)),
          Effect.mapError((cause) => new CheckFailed({ reason: sentenceOf(cause), cause }))
        )
      })
    )
  })

const unchecked = ({ ok }: Check, { message }: CheckFailed): Finding => ({
  finding: `It could not be checked: ${message}`,
  consequence: `It is not known whether this holds: ${ok}`,
  fix: "Fix that first, then run floe doctor again."
})

const runOne = Effect.fnUntraced(function* (
  check: Check,
  needed: ReadonlyArray<Fiber.Fiber<CheckResult>>,
  permits: Semaphore.Semaphore
) {
  const { name, ok } = check
  const before = yield* Effect.forEach(needed, Fiber.join)
  const waitsFor = new Set(before.flatMap((one) => (needsFix(one.findings) ? [one.name] : one.waitsFor)))
  if (waitsFor.size > 0) return { name, ok, findings: [], waitsFor: [...waitsFor] }
  const findings = yield* check.run.pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.fail(new CheckFailed({ reason: `no answer within ${timeLimit}`, cause: "time-out" }))
    }),
    Effect.catch((error) => Effect.succeed([unchecked(check, error)])),
    permits.withPermits(1)
  )
  return { name, ok, findings, waitsFor: [] }
})

/** The results in the order of the checks. `onProgress` receives the names of those that are not done yet. */
export const runChecks = Effect.fn("Checks.run")(function* (
  all: ReadonlyArray<Check>,
  onProgress: (left: ReadonlySet<string>) => Effect.Effect<void>
) {
  const left = new Set(all.map(({ name }) => name))
  const fibers = new Map<string, Fiber.Fiber<CheckResult>>()
  const permits = yield* Semaphore.make(atOnce)
  for (const check of all) {
    const needed = (check.needs ?? []).flatMap((name) => fibers.get(name) ?? [])
    const done = Effect.suspend(() => {
      left.delete(check.name)
      return onProgress(left)
    })
    fibers.set(check.name, yield* Effect.forkChild(Effect.tap(runOne(check, needed, permits), done)))
  }
  return yield* Effect.forEach(fibers.values(), Fiber.join)
})
