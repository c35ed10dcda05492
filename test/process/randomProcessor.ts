/** A random processor and a random log, which follow from a seed; and what the independent program gives, as the processor writes it. */
import { Schema } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import type { StateRow } from "../../layers/process/core/Task.ts"
import { Column, Processor, Stream, Window } from "../../streams/index.ts"
import type { expectedWindows, Rule, TimedEvent } from "./expectedWindows.ts"

/** mulberry32: numbers from 0 to below 1. */
export const randomOf = (seed: number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
export type Random = ReturnType<typeof randomOf>
export const below = (random: Random, end: number) => Math.floor(random() * end)
export const oneOf = <A>(random: Random, values: readonly [A, ...ReadonlyArray<A>]) =>
  values[below(random, values.length)] ?? values[0]

/** Keys that UTF-8 and UTF-16 order differently are among them. */
const keys = ["", "a", "b", "B", "ab", "é", "\uffff", "😀", "a\u0000", "x".repeat(1024)] as const
export const base = Date.UTC(2026, 10, 27, 23, 59, 59, 900)

export const ruleOf = (random: Random): Rule => {
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
export const logOf = (random: Random, since1970: boolean): ReadonlyArray<TimedEvent> => {
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

const declared = ({ lateness, outOfOrder, window }: Rule, isByKey: boolean) => {
  const common = {
    from: Events,
    ...(isByKey ? { key: (event: { readonly k: string }) => event.k } : {}),
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

const text = (millis: number, micros = "000") => new Date(millis).toISOString().replace("Z", `${micros}Z`)

export const recordOf = ({ at, id, key }: TimedEvent, micros = "000") =>
  JSON.stringify({ id, k: key, at: text(at, micros) })

type ExpectedWindow = ReturnType<typeof expectedWindows>["open"][number]

export const rowOf = ({ count, end, events, key, start }: ExpectedWindow) =>
  JSON.stringify({ k: key, begins: text(start), ends: text(end), events, count: String(count) })

export const stateOf = ({ count, end, events, key, start }: ExpectedWindow): StateRow => ({
  key,
  start,
  end,
  state: JSON.stringify({ events, count: String(count) })
})

export const byKeyAndStart = (a: StateRow, b: StateRow) =>
  Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.start - b.start

/** `isByKey`: with a key function of its own, instead of the stream's key. */
export const compiledOf = (rule: Rule, isByKey = false) => {
  const processor = declared(rule, isByKey)
  const compiled = compileStreams({ Events, Out, processor })
  if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
  const { processors = [], streams } = compiled.compiled
  const applied = new Map(streams.map((stream) => [stream.name, firstVersion(stream, 0)]))
  const [definition] = processors
  const [events, output, late] = ["events", "windows", "random_late"].map((name) => applied.get(name))
  if (definition === undefined || events === undefined || output === undefined || late === undefined) {
    throw new Error("the compiled module lacks a part")
  }
  return { processor, definition, events, output, late }
}
