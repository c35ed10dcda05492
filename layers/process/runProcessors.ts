/** Runs the processors of a module over the embedded log, in turns, in the order in which they feed each other. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Effect } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { ProcessorStopped } from "./Runner.ts"
import { type DeclaredProcessor, Slot } from "./Slot.ts"

const pollInterval = "25 millis"
const retryMillis = 1_000

/** A processor comes after those that write its input. */
const inOrder = (declared: ReadonlyArray<DeclaredProcessor>) => {
  const writers = new Map(
    declared.flatMap((one) =>
      [one.definition.to, one.definition.late].flatMap(
        (stream): Array<[string, DeclaredProcessor]> => (stream === null ? [] : [[stream, one]])
      )
    )
  )
  const ordered = new Set<DeclaredProcessor>()
  const add = (one: DeclaredProcessor) => {
    if (ordered.has(one)) return
    const writer = writers.get(one.definition.from)
    if (writer !== undefined) add(writer)
    ordered.add(one)
  }
  for (const one of declared) add(one)
  return [...ordered]
}

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** Runs until `isDraining` and everything that the log has is processed. */
export const runProcessors = Effect.fnUntraced(function* (
  folder: DataFolder["Service"],
  declared: ReadonlyArray<DeclaredProcessor>,
  isDraining: () => boolean
) {
  mkdirSync(folder.processors, { recursive: true })
  const slots = inOrder(declared).map((one) => new Slot(folder, one))
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
    if (slot.state.state === "stopped" || now < (retryAt.get(slot) ?? 0)) return false
    return yield* Effect.gen(function* () {
      yield* slot.open()
      if (slot.state.state === "waiting") {
        retryAt.set(slot, now + retryMillis / 4)
        return false
      }
      const worked = yield* Effect.try({ try: () => slot.work(), catch: (cause) => cause })
      if (failing.delete(slot)) yield* Effect.log(`The processor ${slot.name} goes on.`)
      return worked
    }).pipe(Effect.catch((cause) => Effect.as(failed(slot, cause, now), false)))
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
      let worked = false
      for (const slot of slots) {
        worked = (yield* turn(slot)) || worked
        yield* Effect.yieldNow
      }
      if ((yield* Clock.currentTimeMillis) - reported.at >= 1_000) yield* report()
      if (worked) continue
      if (isDraining()) return
      yield* Effect.sleep(pollInterval)
    }
  } finally {
    for (const slot of slots) slot.close()
    rmSync(join(folder.processors, "status.json"), { force: true })
  }
})
