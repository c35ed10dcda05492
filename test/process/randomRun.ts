/** A random processor over a random log, run in random batches with crashes: everything follows from the seed. */
import { Schema } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import { bind } from "../../layers/process/bind.ts"
import type { StateRow } from "../../layers/process/core/Task.ts"
import * as Runner from "../../layers/process/Runner.ts"
import type { Progress, Store, Tick } from "../../layers/process/Store.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Column, Processor, Stream, Window } from "../../streams/index.ts"
import { expectedWindows, type Rule, type TimedEvent } from "./expectedWindows.ts"

/** mulberry32: numbers from 0 to below 1. */
const randomOf = (seed: number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
type Random = ReturnType<typeof randomOf>
const below = (random: Random, end: number) => Math.floor(random() * end)
const oneOf = <A>(random: Random, values: readonly [A, ...ReadonlyArray<A>]) =>
  values[below(random, values.length)] ?? values[0]

/** Keys that UTF-8 and UTF-16 order differently are among them. */
const keys = ["", "a", "b", "B", "ab", "é", "\uffff", "😀", "a\u0000", "x".repeat(1024)] as const
const base = Date.UTC(2026, 10, 27, 23, 59, 59, 900)

const ruleOf = (random: Random): Rule => {
  const length = () => 1 + below(random, 20)
  const every = length()
  const window = oneOf<Rule["window"]>(random, [
    { type: "tumbling", size: length() },
    { type: "hopping", size: every * (1 + below(random, 4)) + below(random, 3), every },
    { type: "session", gap: length() }
  ])
  return { window, outOfOrder: below(random, 3) * below(random, 8), lateness: below(random, 3) * below(random, 8) }
}

/** Mostly in order, sometimes far behind, with pauses; at times before 1970. */
const logOf = (random: Random, since1970: boolean): ReadonlyArray<TimedEvent> => {
  const start = random() < 0.1 && !since1970 ? -50 : base
  const known = 1 + below(random, keys.length)
  let now = 0
  return Array.from({ length: below(random, 120) }, (_, index) => {
    now += random() < 0.05 ? below(random, 100) : below(random, 3)
    const behind = random() < 0.3 ? below(random, random() < 0.2 ? 60 : 12) : 0
    return { id: String(index), key: keys[below(random, known)] ?? "", at: start + now - behind }
  })
}

const Events = Stream.make("events", {
  schema: Schema.Struct({ id: Schema.String, k: Schema.String, at: Column.timestamptz }),
  key: "k"
})
const Out = Stream.make("windows", {
  schema: Schema.Struct({
    k: Schema.String,
    begins: Column.timestamptz,
    ends: Column.timestamptz,
    events: Schema.String,
    count: Column.long
  })
})
const State = Schema.Struct({ events: Schema.String, count: Column.long })

const declared = ({ lateness, outOfOrder, window }: Rule) => {
  const common = {
    from: Events,
    time: (event: { readonly at: string }) => event.at,
    outOfOrder,
    lateness,
    state: State,
    zero: { events: "", count: 0n },
    add: (state: typeof State.Type, event: { readonly id: string }) => ({
      events: state.events === "" ? event.id : `${state.events} ${event.id}`,
      count: state.count + 1n
    }),
    to: Out,
    emit: (k: string, { end, start }: Processor.Span, { count, events }: typeof State.Type) => ({
      k,
      begins: start,
      ends: end,
      events,
      count
    })
  }
  if (window.type !== "session") return Processor.window("random", { ...common, window })
  return Processor.window("random", {
    ...common,
    window: Window.session(window.gap),
    merge: (a, b) => ({ events: `(${a.events}) + (${b.events})`, count: a.count + b.count })
  })
}

interface Content {
  readonly rows: ReadonlyArray<{ readonly record: string; readonly acceptedAt: number }>
  readonly late: ReadonlyArray<{ readonly record: string; readonly acceptedAt: number }>
  readonly states: ReadonlyArray<StateRow>
  readonly ticks: ReadonlyArray<Tick>
  readonly progress: Progress
}

/** A place where a store's content stays over crashes. */
export interface Place {
  /** Opens the store, as a new process would after the one before died. */
  readonly open: (definition: ProcessorDefinition, output: AppliedStream, late: AppliedStream) => Store | Promise<Store>
  /** The number of ticks that are committed. */
  readonly ticks: () => number
  readonly content: () => Content | Promise<Content>
  /** For a store whose transactions need more than its own calls: before its `begin`, and after its `commit`. */
  readonly begin?: () => Promise<void>
  readonly commit?: () => Promise<void>
  /** Whether it refuses times before 1970. */
  readonly since1970?: boolean
}

export class Crash extends Error {}

/** Dies at the n-th write, before the commit or after it. */
const crashing = (store: Store, random: Random): Store => {
  let left = below(random, 40)
  const dies = <A extends ReadonlyArray<unknown>, B>(call: (...values: A) => B) => {
    return (...values: A) => {
      if (left-- === 0) throw new Crash()
      return call(...values)
    }
  }
  return {
    ...store,
    row: dies(store.row),
    late: dies(store.late),
    put: dies(store.put),
    remove: dies(store.remove),
    commit: dies((progress) => {
      store.commit(progress)
      if (random() < 0.3) throw new Crash()
    })
  }
}

const text = (millis: number, micros = "000") => new Date(millis).toISOString().replace("Z", `${micros}Z`)

/** Runs it, and returns what the store has and what the rule demands. */
export const randomRun = async (seed: number, place: Place) => {
  const random = randomOf(seed)
  const rule = ruleOf(random)
  const log = logOf(random, place.since1970 === true)
  const processor = declared(rule)
  const compiled = compileStreams({ Events, Out, processor })
  if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
  const { processors = [], streams } = compiled.compiled
  const applied = new Map(streams.map((stream) => [stream.name, firstVersion(stream, 0)]))
  const [definition] = processors
  const [events, output, late] = ["events", "windows", "random_late"].map((name) => applied.get(name))
  if (definition === undefined || events === undefined || output === undefined || late === undefined) {
    throw new Error("the compiled module lacks a part")
  }
  const bound = bind(processor, definition, [events], output.definition)
  const input = log.map(({ at, id, key }, offset): Runner.InputEvent => {
    // Microseconds are cut off.
    const micros = String(below(random, 1000)).padStart(3, "0")
    const record = JSON.stringify({ id, k: key, at: text(at, micros) })
    return { offset, record, acceptedAt: at + below(random, 1000), schemaVersion: 1 }
  })

  // Before the event at `next`, windows close by the clock.
  const ticks = Array.from({ length: random() < 0.5 ? below(random, 6) : 0 }, () => {
    const next = below(random, log.length + 1)
    return { next, at: (log[Math.max(0, next - 1)]?.at ?? base) + below(random, 40) }
  }).sort((a, b) => a.next - b.next)

  const ticksBefore = (index: number) =>
    ticks.filter(({ next }) => next === index).map(({ at }) => ({ id: "", key: "", at, isTick: true, acceptedAt: at }))

  const maxKeys = oneOf(random, [1, 2, 4, 100_000])
  const crashes = random() < 0.8 ? below(random, 12) : 0
  let runner: Runner.Runner | undefined
  let isOpen = false
  let crashed = 0
  const begin = async () => {
    if (!isOpen) await place.begin?.()
    isOpen = true
  }
  const commit = async (one: Runner.Runner) => {
    one.commit()
    if (isOpen) await place.commit?.()
    isOpen = false
  }
  for (;;) {
    if (runner === undefined) {
      const store = await place.open(definition, output, late)
      isOpen = false
      runner = Runner.make(bound, crashed < crashes ? crashing(store, random) : store, { maxKeys })
    }
    const next = runner.next()
    const tick = ticks[place.ticks()]
    try {
      if (tick?.next === next) {
        await begin()
        runner.tick(tick.at)
        await commit(runner)
        continue
      }
      if (next === input.length) {
        await commit(runner)
        break
      }
      const last = next + 1 + below(random, oneOf(random, [1, 5, 50]))
      await begin()
      runner.add(input.slice(next, Math.min(last, tick?.next ?? last)))
      if (random() < 0.7) await commit(runner)
      if (random() < 0.1) runner = undefined // killed between two events
    } catch (cause) {
      if (!(cause instanceof Crash)) throw cause
      crashed++
      runner = undefined
    }
  }

  const entries = [
    ...log.flatMap((event, index) => [...ticksBefore(index), { ...event, acceptedAt: input[index]?.acceptedAt }]),
    ...ticksBefore(log.length)
  ]
  const expected = expectedWindows(rule, entries)
  const acceptedAt = (index: number) => entries[index]?.acceptedAt ?? Number.NaN
  return {
    crashed,
    actual: await place.content(),
    expected: {
      rows: expected.closed.map(({ by, count, end, events, key, start }) => ({
        record: JSON.stringify({ k: key, begins: text(start), ends: text(end), events, count: String(count) }),
        acceptedAt: acceptedAt(by)
      })),
      late: expected.late.map((id) => ({
        record: String(input[Number(id)]?.record),
        acceptedAt: input[Number(id)]?.acceptedAt ?? Number.NaN
      })),
      states: expected.open
        .map(({ count, end, events, key, start }) => ({
          key,
          start,
          end,
          state: JSON.stringify({ events, count: String(count) })
        }))
        .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.start - b.start),
      ticks,
      progress: { next: log.length, watermark: expected.watermark }
    }
  }
}
