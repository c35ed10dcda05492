/** Runs the processors of a module over the embedded log, in turns, in the order in which they feed each other. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { messageOf } from "../runtime/sqliteReason.ts"
import { inOrder } from "./inOrder.ts"
import type { DeclaredProcessor } from "./openProcessor.ts"
import { ProcessorStopped } from "./Runner.ts"
import { putInPlace, swapIsDue } from "./rebuilt.ts"
import { Slot } from "./Slot.ts"
import { watch } from "./watch.ts"

const pollInterval = "25 millis"
const retryMillis = 1_000

interface RunOptions {
  readonly isDraining: () => boolean
  /** Those that do not run, and why: sentences. */
  readonly stopped: Readonly<Record<string, string>>
}

/**
 * Runs until `isDraining` and everything that the log has is processed, or until rebuilt files were put in place: returns
 * which of the two.
 */
export const runProcessors = Effect.fnUntraced(function* (
  folder: DataFolder["Service"],
  declared: ReadonlyArray<DeclaredProcessor>,
  { isDraining, stopped }: RunOptions
) {
  mkdirSync(folder.processors, { recursive: true })
  putInPlace(folder)
  const ordered = inOrder(declared.map(({ definition }) => definition))
  const beat = watch(folder.processors, ordered)
  const slots = ordered.flatMap((definition, index) => {
    const one = declared.find((one) => one.definition === definition)
    return one === undefined ? [] : [new Slot(folder, one, beat, index)]
  })
  for (const slot of slots) {
    const reason = stopped[slot.name]
    if (reason !== undefined) slot.state = { state: "stopped", reason }
  }
  const retryAt = new Map<Slot, number>()
  const failing = new Set<Slot>()

  const failed = Effect.fnUntraced(function* (slot: Slot, cause: unknown, now: number) {
    slot.close()
    if (cause instanceof ProcessorStopped) {
      slot.state = { state: "stopped", reason: cause.message }
      return yield* Effect.logError(cause.message)
    }
    retryAt.set(slot, now + retryMillis)
    if (failing.has(slot)) return
    failing.add(slot)
    slot.state = { state: "waiting", reason: messageOf(cause) }
    yield* Effect.logWarning(`The processor ${slot.name} cannot go on: ${messageOf(cause)} Retrying until it works.`)
  })

  const turn = Effect.fnUntraced(function* (slot: Slot) {
    const now = yield* Clock.currentTimeMillis
    if (slot.isPaused() || slot.state.state === "stopped" || now < (retryAt.get(slot) ?? 0)) return false
    return yield* Effect.gen(function* () {
      yield* slot.open()
      if (slot.state.state === "waiting") {
        retryAt.set(slot, now + retryMillis / 4)
        return false
      }
      const worked = yield* Effect.try({ try: () => slot.work(), catch: (cause) => cause })
      if (failing.delete(slot)) yield* Effect.log(`The processor ${slot.name} goes on.`)
      return worked
    }).pipe(
      Effect.catch((cause) => Effect.as(failed(slot, cause, now), false)),
      Effect.ensuring(Effect.sync(() => beat.rests()))
    )
  })

  let reported = { at: 0, events: new Map<string, number>() }
  const report = Effect.fnUntraced(function* () {
    const now = yield* Clock.currentTimeMillis
    const seconds = (now - reported.at) / 1_000
    const processors = Object.fromEntries(
      slots.map(({ declared, events, name, state }) => {
        const rate = (events - (reported.events.get(name) ?? events)) / seconds
        return [name, { ...state, definition: declared.definition, rate }]
      })
    )
    reported = { at: now, events: new Map(slots.map(({ events, name }) => [name, events])) }
    const path = join(folder.processors, "status.json")
    try {
      writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, at: now, processors }))
      renameSync(`${path}.new`, path)
    } catch {
      // On a full disk the report is old; the processors say why they wait.
    }
  })

  try {
    for (;;) {
      if (swapIsDue(folder)) {
        for (const slot of slots) slot.close()
        putInPlace(folder)
        return "swapped"
      }
      let worked = false
      for (const slot of slots) {
        worked = (yield* turn(slot)) || worked
        yield* Effect.yieldNow
        if ((yield* Clock.currentTimeMillis) - reported.at >= 1_000) yield* report()
      }
      if (worked) continue
      if (isDraining()) return "drained"
      yield* Effect.sleep(pollInterval)
    }
  } finally {
    for (const slot of slots) slot.close()
    rmSync(join(folder.processors, "status.json"), { force: true })
  }
})
