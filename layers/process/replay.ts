/** Runs processors again from the start of their input, into files of their own. */
import { Effect, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { DeclaredProcessor } from "./openProcessor.ts"
import { openProcessor } from "./openProcessor.ts"
import { maxBatch } from "./Slot.ts"
import type { Tick } from "./Store.ts"
import { processorState, ticksOf } from "./sqlite/stateLines.ts"
import { watch } from "./watch.ts"
import type { ReplayMessage, ReplayRequest } from "./workerProtocol.ts"

const chunk = 1_000
const reportMillis = 200

export class NotDeclared extends Schema.TaggedError<NotDeclared>()("NotDeclared", { name: Schema.String }) {
  override get message() {
    return `The module does not declare the processor ${this.name}; FLOE_STREAMS names another module.`
  }
}

class NotApplied extends Schema.TaggedError<NotApplied>()("NotApplied", { name: Schema.String }) {
  override get message() {
    return `A stream of the processor ${this.name} is not applied; run floe streams apply.`
  }
}

/** Fails with what the processor's functions or its files throw. */
export const replay = Effect.fnUntraced(function* (
  folder: DataFolder["Service"],
  declared: ReadonlyArray<DeclaredProcessor>,
  { into, names, ticks: maxTicks, until }: ReplayRequest,
  tell: (message: ReplayMessage) => void
) {
  const place = DataFolder.of({ ...folder, processors: into })
  const chosen: Array<DeclaredProcessor> = []
  for (const name of names) {
    const one = declared.find(({ definition }) => definition.name === name)
    if (one === undefined) return yield* new NotDeclared({ name })
    chosen.push(one)
  }
  const beat = watch(
    into,
    chosen.map(({ definition }) => definition)
  )
  const written = new Set<string>()

  for (const [index, one] of chosen.entries()) {
    const { from, late, name, to } = one.definition
    // What it reads may have just been written again.
    const input = written.has(from) ? place : folder
    const opened = yield* openProcessor(one, { log: folder, input, output: place }, beat)
    if (opened === undefined) return yield* new NotApplied({ name })
    const { input: events, runner, store } = opened
    yield* Effect.try({
      try: () => {
        // While it runs, the processor may log more ticks, each at the place where it is then.
        let readAgainAt = maxTicks === undefined ? (processorState(folder, name)?.next ?? 0) : Number.POSITIVE_INFINITY
        let ticks: ReadonlyArray<Tick> = ticksOf(folder, name).slice(0, maxTicks)
        let ticked = 0
        let pending = 0
        let reported = performance.now()
        for (;;) {
          if (runner.next() >= readAgainAt) {
            ticks = ticksOf(folder, name)
            readAgainAt = runner.next() + maxBatch
          }
          for (let tick = ticks[ticked]; tick !== undefined && tick.next <= runner.next(); tick = ticks[++ticked]) {
            const { at } = tick
            beat.during(index, () => runner.tick(at))
          }
          const end = Math.min(until ?? Number.POSITIVE_INFINITY, ticks[ticked]?.next ?? readAgainAt, readAgainAt)
          const room = Math.min(chunk, end - runner.next())
          const next = room <= 0 ? [] : events.events(runner.next(), room)
          beat.during(index, () => runner.add(next))
          pending += next.length
          if (pending >= maxBatch || next.length === 0) {
            runner.commit()
            pending = 0
          }
          if (next.length === 0) return
          if (performance.now() - reported < reportMillis) continue
          reported = performance.now()
          tell({ _tag: "Progress", processor: name, events: runner.next() })
        }
      },
      catch: (cause) => cause
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          events.close()
          store.close()
        })
      )
    )
    written.add(to)
    if (late !== null) written.add(late)
  }
})
