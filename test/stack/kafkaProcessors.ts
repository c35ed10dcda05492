/** A declaration with processors whose streams and topics are on the broker of FLOE_KAFKA_BROKERS, and programs that run it. */
import { randomUUID } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as Producer from "../../layers/log/kafka/Producer.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import { sendOne } from "../../layers/log/kafka/sendOne.ts"
import { versionKey } from "../../layers/log/kafka/streamRecords.ts"
import { EventLog } from "../../services/EventLog.ts"
import type { Column, StreamDefinition } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { deadLettersOf, stateTopicOf, streamsTopic } from "../../services/Topics.ts"
import { expectedWindows } from "../process/expectedWindows.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { built, type Program, run } from "../support/program.ts"
import { committed } from "./kafkaPlace.ts"
import { create, logOn, remove, streamsOf, temporaryTopic } from "./kafkaTopic.ts"

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

/** Compacted all the time, as a topic of a production is in the course of days. */
export const createState = (topic: string, partitions = 1) =>
  Effect.flatMap(Cluster, (cluster) =>
    cluster.admin<void>(topic, (admin, answer) =>
      admin.createTopic(
        {
          topic,
          num_partitions: partitions,
          replication_factor: 1,
          config: { "cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.001" }
        },
        5_000,
        answer
      )
    )
  ).pipe(Effect.provide(Cluster.layer))

const brokers = process.env.FLOE_KAFKA_BROKERS

/** The child that runs the processors. */
export const childOf = ({ pid }: Program) =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0])

/** As a machine without power: the program, and its child. */
export const kill = (program: Program) => {
  const child = childOf(program)
  process.kill(program.pid, "SIGKILL")
  process.kill(child, "SIGKILL")
}

export const forgotten = (definitions: ReadonlyArray<StreamDefinition>) =>
  Effect.gen(function* () {
    const producer = yield* Producer.connect(streamsTopic, () => {})
    for (const one of definitions) {
      yield* sendOne(streamsTopic, producer, { key: versionKey(firstVersion(one, 0)), value: null })
    }
  }).pipe(Effect.scoped, Effect.ignore)

/** `more` are further options of the windows. */
export const kafkaProject = Effect.fnUntraced(function* (more = "") {
  const cwd = yield* temporaryFolder
  const name = `kproc_${randomUUID().slice(0, 8)}`
  const stream = (suffix: string, columns: ReadonlyArray<Column>, writer?: string): StreamDefinition => ({
    name: `${name}_${suffix}`,
    columns,
    key: "visitor",
    partitionBy: [],
    ...(writer === undefined ? {} : { writer })
  })
  const definitions = [
    stream("clicks", clicks),
    stream("sales", clicks, `${name}_only`),
    stream("minutes", minutes, `${name}_minute`),
    stream("minute_late", clicks, `${name}_minute`)
  ]
  const processors = [`${name}_only`, `${name}_minute`]
  const topics = [...definitions.map((one) => one.name), ...[`${name}_sales`, `${name}_minutes`].map(deadLettersOf)]
  for (const topic of topics) yield* Effect.acquireRelease(create(topic, 1), () => Effect.ignore(remove(topic)))
  for (const topic of processors.map(stateTopicOf)) {
    yield* Effect.acquireRelease(createState(topic), () => Effect.ignore(remove(topic)))
  }
  yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const { record } = yield* Streams
      for (const one of definitions) yield* record(firstVersion(one, Date.now()))
    }).pipe(Effect.provide(StreamsLayer.layer)),
    () => Effect.ignore(Effect.provide(forgotten(definitions), Cluster.layer))
  )
  writeFileSync(join(cwd, "floe.streams.ts"), module(name, more))
  const weather = yield* temporaryTopic()
  const [input] = definitions
  if (input === undefined) throw new Error("no input")
  const log = logOn(weather, {}, streamsOf(firstVersion(input, 0)))

  return {
    name,
    cwd,
    messages: (suffix: string) => committed(`${name}_${suffix}`),
    /** The offset of the first record of a processor's state. */
    firstOfState: (suffix: string) =>
      Effect.map(committed(stateTopicOf(`${name}_${suffix}`)), ([message]) => message?.offset ?? 0),
    start: run(
      process.execPath,
      [built("processor")],
      { FLOE_PROFILE: "distributed", ...(brokers === undefined ? {} : { FLOE_KAFKA_BROKERS: brokers }) },
      { cwd }
    ),
    childOf,
    kill,
    /** Appends clicks as the server does. */
    append: (all: ReadonlyArray<Click>) =>
      Effect.gen(function* () {
        const { append } = yield* EventLog
        for (let at = 0; at < all.length; at += 1_000) {
          yield* append({ stream: input.name, schemaVersion: 1, records: all.slice(at, at + 1_000).map(record) })
        }
      }).pipe(Effect.provide(Layer.fresh(log)), Effect.orDie),
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
