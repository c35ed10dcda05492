/** A whole Floe whose wall clock the caller sets while it runs. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "./dataFolder.ts"
import { floe, type Program, start } from "./program.ts"

export interface SettableClock {
  /** Environment of each program. */
  readonly env: Readonly<Record<string, string>>
  /** Sets the offset of the wall clock of all these programs, in seconds. */
  readonly set: (seconds: number) => Effect.Effect<void>
}

/** The last offset that a sink has logged as committed. */
const committedUpTo = (output: string) => Number([...output.matchAll(/ up to weather\/0\/(\d+) /g)].at(-1)?.[1] ?? -1)

/** Waits until it has committed more. */
export const commitsMore = (program: Program) =>
  Effect.promise(() => {
    const before = committedUpTo(program.output())
    return program.until((output) => committedUpTo(output) > before + 20)
  })

const printed = (program: Program, pattern: RegExp) => Effect.promise(() => program.printed(pattern))

export const scenario = Effect.fnUntraced(function* ({ env: clock, set }: SettableClock) {
  const env = { ...clock, FLOE_DATA: yield* temporaryFolder, FLOE_PORT: "0" }
  const program = yield* start("standalone", {
    ...env,
    FLOE_INTERVAL: "200 millis",
    FLOE_COMMIT_INTERVAL: "200 millis"
  })
  yield* commitsMore(program)

  yield* set(-7200)
  yield* printed(program, /The clock was set back by 7,200 s, to /)
  yield* commitsMore(program)
  const behind = yield* floe(["doctor"], env)
  assert.strictEqual(behind.code, 1, behind.out)
  assert.match(
    behind.out,
    /^FAIL clock {4}The newest commit was made [\d,]+ s later than this machine's clock shows now; it was set back by 7,200 s/m
  )
  assert.match(behind.out, /^ok {3}sink /m)

  yield* set(0)
  yield* printed(program, /The clock jumped ahead by 7,200 s, to .*\(it was set, or the machine was suspended\)/)
  yield* commitsMore(program)
  const right = yield* floe(["doctor"], env)
  assert.match(right.out, /^ok {3}clock .*The last change that Floe noticed: it jumped ahead by 7,200 s/m)
  const audit = yield* floe(["audit"], env)
  assert.strictEqual(audit.code, 0, audit.out)
  assert.strictEqual(program.output().match(/The clock /g)?.length, 2, "each step is logged once")
  program.signal("SIGINT")
  assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
})
