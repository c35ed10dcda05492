/** A declaration with processors whose streams and topics are on the broker of FLOE_KAFKA_BROKERS, and programs that run it. */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import type { Column, StreamDefinition } from "../../services/StreamDefinition.ts"
import { deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { expectedWindows } from "../process/expectedWindows.ts"
import { committed } from "./kafkaPlace.ts"
import * as KafkaProject from "./kafkaProject.ts"

const module = (name: string, more: string) => `
import { Column, Processor, Stream, Window } from "floe"
import { Schema } from "effect"
const clicks = { id: Schema.String, visitor: Schema.String, at: Column.timestamptz, page: Schema.String }
export const Clicks = Stream.make("${name}_clicks", { schema: Schema.Struct(clicks), key: "visitor" })
export const Sales = Stream.make("${name}_sales", { schema: Clicks.schema, key: "visitor" })
export const OnlySales = Processor.filter("${name}_only", { from: Clicks, to: Sales, onError: "dead-letter",
  keep: (c) => { if (c.page === "broken") throw new Error("the page is broken"); return c.page === "sale" } })
export const Minutes = Stream.make("${name}_minutes", { schema: Schema.Struct({ visitor: Schema.String, minute: Column.timestamptz, ids: Schema.String }), key: "visitor" })
export const PerMinute = Processor.window("${name}_minute", {
  from: Sales, time: (c) => c.at, window: Window.tumbling("1 minute"), outOfOrder: "5 seconds", ${more}
  state: Schema.Struct({ ids: Schema.String }), zero: { ids: "" },
  add: (s, c) => ({ ids: s.ids === "" ? c.id : s.ids + " " + c.id }),
  to: Minutes, emit: (visitor, w, s) => ({ visitor, minute: w.start, ids: s.ids })
})
`

const column = (name: string, type: "string" | "timestamptz" = "string"): Column => ({ name, required: true, type })
export const clicks = [column("id"), column("visitor"), column("at", "timestamptz"), column("page")]
export const minutes = [column("visitor"), column("minute", "timestamptz"), column("ids")]

export const text = (millis: number) => new Date(millis).toISOString().replace("Z", "000Z")

export interface Click {
  readonly id: string
  readonly visitor: string
  readonly at: number
  readonly page: string
}

/** Mostly in order, sometimes late; a third are sales. Every second there are two. */
export const clicksFrom = (first: number, count: number): ReadonlyArray<Click> =>
  Array.from({ length: count }, (_, i) => {
    const n = first + i
    return {
      id: String(n),
      visitor: `v${(n * 7) % 11}`,
      at: Date.UTC(2026, 10, 27, 10) + n * 500 - (n % 13 === 0 ? 20_000 : n % 5 === 0 ? 3_000 : 0),
      page: n % 3 === 0 ? "sale" : "home"
    }
  })

export const record = ({ at, id, page, visitor }: Click) => JSON.stringify({ id, visitor, at: text(at), page })

/** What the two processors must give, by the independent program. */
export const expectedOf = (all: ReadonlyArray<Click>) => {
  const sales = all.filter(({ page }) => page === "sale")
  const rule = { window: { type: "tumbling" as const, size: 60_000 }, outOfOrder: 5_000, lateness: 0 }
  const { closed, late } = expectedWindows(
    rule,
    sales.map(({ at, id, visitor }) => ({ id, key: visitor, at }))
  )
  const lateIds = new Set(late)
  return {
    sales: sales.map(record),
    rows: closed.map(({ events, key, start }) => JSON.stringify({ visitor: key, minute: text(start), ids: events })),
    late: sales.filter(({ id }) => lateIds.has(id)).map(record)
  }
}

/** `more` are further options of the windows. */
export const kafkaProject = Effect.fnUntraced(function* (more = "") {
  const name = `kproc_${randomUUID().slice(0, 8)}`
  const stream = (suffix: string, columns: ReadonlyArray<Column>, writer?: string): StreamDefinition => ({
    name: `${name}_${suffix}`,
    columns,
    key: "visitor",
    partitionBy: [],
    ...(writer === undefined ? {} : { writer })
  })
  const streams = [
    stream("clicks", clicks),
    stream("sales", clicks, `${name}_only`),
    stream("minutes", minutes, `${name}_minute`),
    stream("minute_late", clicks, `${name}_minute`)
  ] as const
  const deadLetters = [`${name}_sales`, `${name}_minutes`].map(deadLettersOf)
  const project = yield* KafkaProject.kafkaProject({
    module: module(name, more),
    streams,
    topics: [...streams.map((one) => one.name), ...deadLetters].map((topic) => [topic, 1]),
    states: [`${name}_only`, `${name}_minute`].map((processor) => [stateTopicOf(processor), 1])
  })

  return {
    ...project,
    name,
    messages: (suffix: string) => committed(`${name}_${suffix}`),
    /** The offset of the first record of a processor's state. */
    firstOfState: (suffix: string) =>
      Effect.map(committed(stateTopicOf(`${name}_${suffix}`)), ([message]) => message?.offset ?? 0),
    append: (all: ReadonlyArray<Click>) => project.append(all.map(record)),
    outputs: Effect.gen(function* () {
      const values = Effect.fnUntraced(function* (topic: string) {
        return (yield* committed(topic)).map(({ value }) => String(value))
      })
      return {
        sales: yield* values(`${name}_sales`),
        rows: yield* values(`${name}_minutes`),
        late: yield* values(`${name}_minute_late`)
      }
    })
  }
})
