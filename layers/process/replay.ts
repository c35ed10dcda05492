/** Runs processors again from the start of their input, into files of their own. */
import { Effect, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { DeclaredProcessor } from "./openProcessor.ts"
import { openProcessor } from "./openProcessor.ts"
import type { InputEvent, Runner } from "./Runner.ts"
import { maxBatch } from "./Slot.ts"
import type { Tick } from "./Store.ts"
import { processorState, ticksOf } from "./sqlite/stateLines.ts"
import { watch } from "./watch.ts"
import type { ReplayMessage, ReplayRequest } from "./workerProtocol.ts"

const chunk = 1_000
const reportMillis = 200

export class NotDeclared extends Schema.TaggedError<NotDeclared>()("NotDeclared", { name: Schema.String }) {
  override get message() {
    return `The module does not declare the processor ${this.name}. Set FLOE_STREAMS to the module that does; with compose.yaml, run the command in the service that has it: docker compose run --rm processor floe ...`
  }
}

class NotApplied extends Schema.TaggedError<NotApplied>()("NotApplied", { name: Schema.String }) {
  override get message() {
    return `A stream of the processor ${this.name} is not applied; run floe streams apply.`
  }
}

/** Adds the events, and removes the ticks that it adds between them, each before the first event that was accepted after it. */
const addWithTicks = (runner: Runner, events: ReadonlyArray<InputEvent>, ticks: Array<Tick>) => {
  let rest = events
  for (let [tick] = ticks; tick !== undefined; [tick] = ticks) {
    const { at } = tick
    const cut = rest.findIndex(({ acceptedAt }) => acceptedAt >= at)
    if (cut < 0) break
    runner.add(rest.slice(0, cut))
    rest = rest.slice(cut)
    runner.tick(at)
    ticks.shift()
  }
  runner.add(rest)
}

/** Fails with what the processor's functions or its files throw. */
export const replay = Effect.fnUntraced(function* (
  folder: DataFolder["Service"],
  declared: ReadonlyArray<DeclaredProcessor>,
  { before = Number.POSITIVE_INFINITY, into, names, ticks: maxTicks, until }: ReplayRequest,
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
    const isSameInput = !written.has(from)
    const input = isSameInput ? folder : place
    const opened = yield* openProcessor(one, { log: folder, input, output: place }, beat)
    if (opened === undefined) return yield* new NotApplied({ name })
    const { input: events, runner, store } = opened
    yield* Effect.try({
      try: () => {
        const earlierTicks = () =>
          ticksOf(folder, name)
            .slice(0, maxTicks)
            .filter(({ at }) => at < before)
        // While it runs, the processor may log more ticks, each at the place where it is then.
        let readAgainAt =
          isSameInput && maxTicks === undefined ? (processorState(folder, name)?.next ?? 0) : Number.POSITIVE_INFINITY
        let ticks: ReadonlyArray<Tick> = isSameInput ? earlierTicks() : []
        let ticked = 0
        // Their offsets are those of the former input, so each comes before the first event that was accepted after it. One without
        // such an event does not count, as the clock closes its windows again once the new file is in use.
        const byTime = isSameInput ? [] : earlierTicks()
        let pending = 0
        let reported = performance.now()
        for (;;) {
          if (runner.next() >= readAgainAt) {
            ticks = earlierTicks()
            readAgainAt = runner.next() + maxBatch
          }
          for (let tick = ticks[ticked]; tick !== undefined && tick.next <= runner.next(); tick = ticks[++ticked]) {
            const { at } = tick
            beat.during(index, () => runner.tick(at))
          }
          const end = Math.min(until ?? Number.POSITIVE_INFINITY, ticks[ticked]?.next ?? readAgainAt, readAgainAt)
          const room = Math.min(chunk, end - runner.next())
          const next = room <= 0 ? [] : events.events(runner.next(), room)
          beat.during(index, () => addWithTicks(runner, next, byTime))
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
