/** A processor that reads a stream of three partitions by another key, on the broker of FLOE_KAFKA_BROKERS. */
import { randomUUID } from "node:crypto"
import type { Message } from "@confluentinc/kafka-javascript"
import { Effect } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { expectedWindows } from "../process/expectedWindows.ts"
import { committed } from "./kafkaPlace.ts"
import { type Click, clicks, minutes, record, text } from "./kafkaProcessors.ts"
import * as KafkaProject from "./kafkaProject.ts"

const partitions = 3
const outOfOrder = 5_000
const rule = { window: { type: "tumbling", size: 60_000 }, outOfOrder, lateness: 0 } as const

const module = (name: string, more: string, column = "") => `
import { Column, Processor, Stream, Window } from "floe"
import { Schema } from "effect"
export const Clicks = Stream.make("${name}_clicks", { schema: Schema.Struct({ id: Schema.String, visitor: Schema.String, at: Column.timestamptz, page: Schema.String${column} }) })
export const Minutes = Stream.make("${name}_minutes", { schema: Schema.Struct({ visitor: Schema.String, minute: Column.timestamptz, ids: Schema.String }), key: "visitor" })
const byVisitor = Processor.rekey(Clicks, (c) => { if (c.page === "broken") throw new Error("the page is broken"); return c.visitor })
export const PerMinute = Processor.window("${name}_minute", {
  from: byVisitor, time: (c) => c.at, window: Window.tumbling("1 minute"), outOfOrder: "${outOfOrder / 1_000} seconds", ${more}
  state: Schema.Struct({ ids: Schema.String }), zero: { ids: "" },
  add: (s, c) => ({ ids: s.ids === "" ? c.id : s.ids + " " + c.id }),
  to: Minutes, emit: (visitor, w, s) => ({ visitor, minute: w.start, ids: s.ids })
})
`

export interface Logged {
  readonly record: string
  readonly acceptedAt: number | undefined
  readonly key: string
  readonly offset: number
}

const loggedOf = ({ key, offset, timestamp, value }: Message): Logged => ({
  offset,
  record: String(value),
  acceptedAt: timestamp,
  key: String(key)
})

const visitorOf = (row: string) => String(JSON.parse(row).visitor)

const eventsOf = (log: ReadonlyArray<Logged>) =>
  log.map(({ key, record }) => ({
    id: String(JSON.parse(record).id),
    key,
    at: Date.parse(JSON.parse(record).at)
  }))

/** What one partition of the topic by key must give, by the independent program. */
const expectedOf = (log: ReadonlyArray<Logged>, isClosedByClock: boolean) => {
  const closing = isClosedByClock ? [{ id: "", key: "", at: Date.now(), isTick: true }] : []
  const { closed, late } = expectedWindows(rule, [...eventsOf(log), ...closing])
  const lateIds = new Set(late)
  return {
    rows: closed.map(({ events, key, start }) => JSON.stringify({ visitor: key, minute: text(start), ids: events })),
    late: log.map(({ record }) => record).filter((record) => lateIds.has(String(JSON.parse(record).id)))
  }
}

/** The state after one partition of the topic by key, as `floe processor at` prints it. */
export const openWindows = (log: ReadonlyArray<Logged>) =>
  expectedWindows(rule, eventsOf(log)).open.map(({ end, events, key, start }) => ({
    key,
    window_start: text(start),
    window_end: text(end),
    ids: events
  }))

/** `more` are further options of the windows. */
export const byKeyProject = Effect.fnUntraced(function* (more = 'onError: "dead-letter",') {
  const name = `bykey_${randomUUID().slice(0, 8)}`
  const processor = `${name}_minute`
  const byKey = byKeyTopicOf(processor)
  const stream = (suffix: string, columns: StreamDefinition["columns"], key: string | null, writer?: string) => ({
    name: `${name}_${suffix}`,
    columns,
    key,
    partitionBy: [],
    ...(writer === undefined ? {} : { writer })
  })
  const input = stream("clicks", clicks, null)
  const late = stream("minute_late", clicks, null, processor)
  const project = yield* KafkaProject.kafkaProject({
    module: module(name, more),
    streams: [input, stream("minutes", minutes, "visitor", processor), late],
    topics: [
      [input.name, partitions],
      [byKey, partitions],
      [`${name}_minutes`, 1],
      [`${name}_minute_late`, 1],
      [deadLettersOf(`${name}_minutes`), 1]
    ],
    states: [
      [stateTopicOf(byKey), 1],
      [stateTopicOf(processor), partitions]
    ],
    batch: 500
  })
  const later = [input, late].map((one): AppliedStream => {
    const { columns } = one
    const definition = { ...one, columns: [...columns, { name: "from", required: false, type: "string" } as const] }
    return { ...firstVersion(definition, Date.now()), version: 2 }
  })
  const all = (topic: string, count = partitions) =>
    Effect.forEach(
      Array.from({ length: count }, (_, partition) => partition),
      (partition) => Effect.map(committed(topic, partition), (messages) => messages.map(loggedOf))
    )

  return {
    ...project,
    name,
    processor,
    /** Version 2 of the input has one column more, and so has the module; events have it from then on. */
    changed: {
      module: module(name, more, ", from: Schema.optionalKey(Schema.String)"),
      apply: KafkaProject.applied(later),
      append: (clicks: ReadonlyArray<Click>) =>
        project.append(
          clicks.map((click) => record(click).replace(/}$/, ',"from":"mail"}')),
          ...later.slice(0, 1)
        )
    },
    /** The count of its last heartbeat. */
    beats: Effect.map(committed(stateTopicOf(processor)), (messages) => {
      const last = messages.findLast(({ key }) => String(key) === "heartbeat")
      return last === undefined ? -1 : Number(JSON.parse(String(last.value)).count)
    }),
    append: (clicks: ReadonlyArray<Click>) => project.append(clicks.map(record)),
    input: all(input.name),
    byKey: all(byKey),
    /** The rows and late events, and those that the partitions of the topic by key demand; each by that partition. */
    outputs: Effect.gen(function* () {
      const isClosedByClock = more.includes("closeWhenIdle")
      const logs = yield* all(byKey)
      const partitionOf = new Map(logs.flatMap((log, partition) => log.map(({ key }) => [key, partition] as const)))
      const [rows = []] = yield* all(`${name}_minutes`, 1)
      const [late = []] = yield* all(`${name}_minute_late`, 1)
      const split = (found: ReadonlyArray<Logged>) =>
        logs.map((_, partition) =>
          found.map(({ record }) => record).filter((record) => partitionOf.get(visitorOf(record)) === partition)
        )
      const [ofRows, ofLate] = [split(rows), split(late)]
      return {
        actual: logs.map((_, partition) => ({ rows: ofRows[partition], late: ofLate[partition] })),
        expected: logs.map((log) => expectedOf(log, isClosedByClock))
      }
    })
  }
})
