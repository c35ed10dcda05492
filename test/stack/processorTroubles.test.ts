/** What a processor on Kafka does about functions and rows that it cannot take: it names them, and the others go on. */
import { randomUUID } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { nightly } from "../support/nightly.ts"
import { floe } from "../support/program.ts"
import * as Broker from "./kafkaBroker.ts"
import { committed } from "./kafkaPlace.ts"
import * as KafkaProject from "./kafkaProject.ts"
import { written } from "./kafkaTopic.ts"

/** Two processors of one stream: `first` with the function of a test, and `second`, which copies. */
const project = Effect.gen(function* () {
  const name = `ktroubles_${randomUUID().slice(0, 8)}`
  const stream = (suffix: string, writer?: string): StreamDefinition => ({
    name: `${name}_${suffix}`,
    columns: [
      { name: "id", required: true, type: "string" },
      { name: "text", required: true, type: "string" }
    ],
    key: "id",
    partitionBy: [],
    ...(writer === undefined ? {} : { writer: `${name}_${writer}` })
  })
  const streams = [stream("notes"), stream("changed", "first"), stream("copies", "second")] as const
  const module = (map: string) => `
import { Processor, Stream } from "floe"
import { Schema } from "effect"
const schema = Schema.Struct({ id: Schema.String, text: Schema.String })
export const Notes = Stream.make("${name}_notes", { schema, key: "id" })
export const Changed = Stream.make("${name}_changed", { schema, key: "id" })
export const Copies = Stream.make("${name}_copies", { schema, key: "id" })
export const First = Processor.map("${name}_first", { from: Notes, to: Changed, map: ${map} })
export const Second = Processor.map("${name}_second", { from: Notes, to: Copies, map: (one) => one })
`
  const { append, cwd, start, write } = yield* KafkaProject.kafkaProject({
    module: module("(one) => one"),
    streams,
    topics: [...streams.map((one) => one.name), ...streams.slice(1).map((one) => deadLettersOf(one.name))].map(
      (topic) => [topic, 1]
    ),
    states: ["first", "second"].map((processor) => [stateTopicOf(`${name}_${processor}`), 1])
  })
  return {
    name,
    cwd,
    append: (ids: ReadonlyArray<string>) => append(ids.map((id) => JSON.stringify({ id, text: "" }))),
    startWith: (map: string) =>
      Effect.andThen(
        Effect.sync(() => write(module(map))),
        start
      ),
    /** Waits until a stream has events with these ids, and no others. */
    has: (suffix: string, ids: ReadonlyArray<string>) =>
      committed(`${name}_${suffix}`).pipe(
        Effect.map((messages) => messages.map(({ value }) => JSON.parse(String(value)).id)),
        Effect.repeat({ schedule: Schedule.spaced("100 millis"), until: (found) => found.length >= ids.length }),
        Effect.timeout("60 seconds"),
        Effect.map((found) => assert.deepStrictEqual(found, [...ids]))
      )
  }
})

const endings = [
  ["fills the heap", "for (const kept = []; ; ) kept.push(new Array(1_000_000).fill(0))"],
  ["fills the memory with buffers", "for (const kept = []; ; ) kept.push(Buffer.alloc(10_000_000, 1))"],
  ["ends the process", "process.exit(0)"]
] as const

it.live.each(nightly ? endings : endings.slice(0, 1))(
  "a processor that %s is stopped and named the second time, and the other one goes on",
  ([, statement]) =>
    Effect.gen(function* () {
      const { append, has, name, startWith } = yield* project
      const program = yield* startWith(`(one) => { if (one.id === "bad") { ${statement} } return one }`)
      yield* append(["a", "bad", "b"])
      const suspected = new RegExp(`WARN The processor ${name}_first was at work, at ${name}_notes/0/\\d or soon after`)
      const stopped = new RegExp(
        `ERROR The processor ${name}_first stopped at ${name}_notes/0/\\d or soon after: twice within 10 minutes`
      )
      yield* Effect.promise(() => program.printed(suspected))
      yield* Effect.promise(() => program.printed(stopped))
      yield* append(["c"])
      yield* has("copies", ["a", "bad", "b", "c"])
      yield* has("changed", [])
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)

it.live(
  "says which topic takes no row as large as one of a processor, and goes on once it does; the largest row passes",
  () =>
    Effect.gen(function* () {
      const { append, has, name, startWith } = yield* project
      // With what is around it 1 MiB, the most that a row may have.
      const length = 1024 * 1024 - `{"id":"large","text":""}`.length
      const program = yield* startWith(
        `(one) => one.id === "large" ? { id: one.id, text: "x".repeat(${length}) } : one`
      )
      yield* append(["a", "large", "b"])
      yield* Effect.promise(() =>
        program.printed(
          new RegExp(
            `WARN The processor ${name}_first, partition 0, cannot go on: Kafka cannot be used: records are larger than the topic ${name}_changed takes; kafka-configs .* --alter --topic ${name}_changed --add-config max\\.message\\.bytes=3145728 allows it\\. Retrying until it works\\.`
          )
        )
      )
      yield* Broker.limited(`${name}_changed`, 3 * 1024 * 1024)
      yield* has("changed", ["a", "large", "b"])
      yield* has("copies", ["a", "large", "b"])
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)

it.live(
  "status shows why a processor has stopped, and the events per second of the other one",
  () =>
    Effect.gen(function* () {
      const { append, cwd, has, name, startWith } = yield* project
      yield* KafkaProject.recorded(cwd)
      yield* startWith(`(one) => { if (one.id === "bad") throw new Error("no " + one.id); return one }`)
      yield* append(["a", "bad", "b"])
      yield* has("copies", ["a", "bad", "b"])
      // It waits for nothing, although the last record of its input is no event.
      yield* written(`${name}_notes`, [{ key: null, value: Buffer.from("x") }])
      const isUpToDate = new RegExp(`${name}_second +\\| running \\| +0 \\| +\\d+ `)
      const { out } = yield* floe(["processor", "status"], KafkaProject.environment, { cwd }).pipe(
        Effect.repeat({
          schedule: Schedule.spaced("200 millis"),
          until: ({ out }) => out.includes("stopped at") && isUpToDate.test(out)
        }),
        Effect.timeout("60 seconds")
      )
      assert.include(out, `The processor ${name}_first stopped at ${name}_notes/0/1: map throws no bad. Correct it`)
      assert.match(out, new RegExp(`${name}_first +\\| stopped \\| +\\d+ \\| +NULL `))
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)

it.live.runIf(nightly)(
  "rows ten thousand times as large as their events do not fill the memory",
  () =>
    Effect.gen(function* () {
      const { append, has, name, startWith } = yield* project
      yield* Broker.limited(`${name}_changed`, 3 * 1024 * 1024)
      const ids = Array.from({ length: 1_200 }, (_, i) => String(i))
      yield* append(ids)
      const program = yield* startWith(`(one) => ({ id: one.id, text: "x".repeat(1_000_000) })`)
      yield* has("copies", ids)
      yield* has("changed", ids)
      assert.notInclude(program.output(), "WARN")
    }).pipe(Effect.provide(Cluster.layer)),
  180_000
)
