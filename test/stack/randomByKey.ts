/**
 * A random processor that reads a random log of three partitions by a key of its own, on the broker of FLOE_KAFKA_BROKERS. The
 * workers die again and again: within a transaction, after one, or without a trace.
 */
import { randomUUID } from "node:crypto"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { partitionOf } from "../../layers/log/kafka/partitioner.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import { Beat } from "../../layers/process/Beat.ts"
import { assignments } from "../../layers/process/kafka/assignments.ts"
import { type Assignment, serve } from "../../layers/process/kafka/serve.ts"
import * as TransactionalProducer from "../../layers/process/kafka/TransactionalProducer.ts"
import type { Open } from "../../layers/process/kafka/work.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { expectedWindows } from "../process/expectedWindows.ts"
import {
  below,
  byKeyAndStart,
  compiledOf,
  stateOf as expectedStateOf,
  logOf,
  oneOf,
  type Random,
  randomOf,
  recordOf,
  rowOf,
  ruleOf
} from "../process/randomProcessor.ts"
import { Crash } from "../process/randomRun.ts"
import { committed, logged, stateOf } from "./kafkaPlace.ts"
import * as KafkaProject from "./kafkaProject.ts"

const partitions = [0, 1, 2]

interface Entry {
  readonly id: string
  readonly key: string
  readonly at: number
  readonly record: string
  readonly acceptedAt: number
  readonly partition: number
}

/**
 * The rule of docs/processing.md: the partitions, each in its order, in the order of acceptance. Of events that were accepted at
 * once any may be next, so the copy decides; undefined if it has none of these orders.
 */
const inOrderOfAcceptance = (
  entries: ReadonlyArray<Entry>,
  isNext: (taken: ReadonlyArray<Entry>, entry: Entry) => boolean
) => {
  const lanes = partitions.map((partition) => entries.filter((one) => one.partition === partition))
  const impossible = new Set<string>()
  const ordered = (places: ReadonlyArray<number>, taken: ReadonlyArray<Entry>): ReadonlyArray<Entry> | undefined => {
    if (taken.length === entries.length) return taken
    if (impossible.has(places.join())) return undefined
    const heads = lanes.flatMap((lane, partition) => lane[places[partition] ?? 0] ?? [])
    const earliest = Math.min(...heads.map(({ acceptedAt }) => acceptedAt))
    for (const head of heads) {
      if (head.acceptedAt !== earliest || !isNext(taken, head)) continue
      const after = places.map((place, partition) => (partition === head.partition ? place + 1 : place))
      const found = ordered(after, [...taken, head])
      if (found !== undefined) return found
    }
    impossible.add(places.join())
    return undefined
  }
  return ordered(
    partitions.map(() => 0),
    []
  )
}

/** A worker that dies at a random place; it says so if it only hangs. */
const dying = (open: Open, random: Random, hangs: Deferred.Deferred<void>) => {
  const fate = oneOf(random, ["throws", "hangs", "after the commit"])
  let left = fate === "hangs" ? below(random, 4) : below(random, 60)
  const isOver = () => left-- <= 0
  const opened: Open = (given) =>
    Effect.map(
      open({
        ...given,
        produce: (...message) => {
          if (fate === "throws" && isOver()) throw new Crash()
          given.produce(...message)
        }
      }),
      (work) => ({
        ...work,
        next: (wait) =>
          Effect.suspend(() =>
            fate === "hangs" && isOver()
              ? Effect.andThen(Deferred.succeed(hangs, undefined), Effect.never)
              : work.next(wait)
          )
      })
    )
  const onCommit = () => {
    if (fate === "after the commit") throw new Crash()
  }
  return { opened, onCommit }
}

/** Runs workers one after the other until so many more events are processed, however many of them die; returns how many did. */
const survived = Effect.fnUntraced(function* (assignment: Assignment, wanted: number, random: Random, most: number) {
  let done = 0
  for (let deaths = 0; ; deaths++) {
    if (done >= wanted) return deaths
    const hangs = yield* Deferred.make<void>()
    const { onCommit, opened } = dying(assignment.open, random, hangs)
    const dies = deaths < most
    const worker = yield* serve(
      { ...assignment, open: dies ? opened : assignment.open },
      {
        id: String(deaths),
        beat: new Beat(),
        index: 0,
        isDraining: () => done >= wanted,
        onReady: Effect.void,
        onCommit: (events) => {
          done += events
          if (dies) onCommit()
        }
      }
    ).pipe(Effect.scoped, Effect.forkScoped)
    // One that hangs keeps its transaction open, until the next one ends it.
    const exit = yield* Effect.raceFirst(Fiber.await(worker), Effect.as(Deferred.await(hangs), Exit.void))
    if (Exit.isFailure(exit) && !(Cause.squash(exit.cause) instanceof Crash)) return yield* Effect.failCause(exit.cause)
  }
})

const append = Effect.fnUntraced(function* (topic: string, entries: ReadonlyArray<Entry>) {
  const connected = TransactionalProducer.connect(`floe-${topic}`, topic)
  const producer = yield* connected
  yield* producer.begin
  for (const { acceptedAt, partition, record } of entries) {
    producer.produce(topic, partition, Buffer.from(record), null, acceptedAt)
  }
  yield* producer.commit
  // Returns once all of it can be read.
  yield* connected
}, Effect.scoped)

const renamed = (stream: AppliedStream, name: string): AppliedStream => ({
  ...stream,
  definition: { ...stream.definition, name, key: null }
})

/** Runs it, and returns what the topics have and what the rule demands, for each partition. */
export const randomByKey = Effect.fnUntraced(
  function* (seed: number) {
    const random = randomOf(seed)
    const rule = ruleOf(random)
    const compiled = compiledOf(rule, true)
    const name = `bykey_${randomUUID().replaceAll("-", "_")}`
    const [from, to, late] = [`${name}_in`, `${name}_out`, `${name}_late`]
    const definition = { ...compiled.definition, name, from, to, late }
    const byKey = byKeyTopicOf(name)
    yield* KafkaProject.topics(
      [...[from, to, late, byKey].map((topic) => [topic, partitions.length] as const), [deadLettersOf(to), 1]],
      [
        [stateTopicOf(byKey), 1],
        [stateTopicOf(name), partitions.length]
      ]
    )
    const { record } = yield* Streams
    for (const one of [renamed(compiled.events, from), renamed(compiled.output, to), renamed(compiled.late, late)]) {
      yield* record(one)
    }
    let partition = 0
    const log = logOf(random, true).map((event): Entry => {
      if (random() < 0.3) partition = below(random, partitions.length)
      const acceptedAt = event.at + below(random, 10)
      return { ...event, record: recordOf(event), acceptedAt, partition }
    })
    const placeOf = ({ key }: Entry) => partitionOf(Buffer.from(key), partitions.length)
    // Not every broker knows a new topic at once.
    const found = yield* Effect.repeat(assignments({ definition, processor: compiled.processor }), {
      until: (one) => !("waiting" in one),
      schedule: Schedule.spaced("50 millis")
    })
    if ("waiting" in found) return yield* Effect.die(found.waiting)
    const [copying, ...processing] = found
    if (copying === undefined) return yield* Effect.die("nothing copies")

    // They choose in an order of their own.
    const randoms = found.map(() => randomOf(below(random, 2 ** 31)))
    const processed = yield* Effect.forkScoped(
      Effect.forEach(
        processing,
        (one, index) => {
          const wanted = log.filter((entry) => placeOf(entry) === index).length
          return survived(one, wanted, randoms[index + 1] ?? random, 2)
        },
        { concurrency: "unbounded" }
      )
    )
    const parts = 1 + below(random, 3)
    const size = Math.max(1, Math.ceil(log.length / parts))
    const appended: Array<ReadonlyArray<Entry>> = []
    let deaths = 0
    for (let at = 0; at < log.length; at += size) {
      const part = log.slice(at, at + size)
      yield* append(from, part)
      deaths += yield* survived(copying, part.length, randoms[0] ?? random, 2)
      appended.push(part)
    }
    for (const died of yield* Fiber.join(processed)) deaths += died

    const copies = yield* Effect.forEach(partitions, (partition) => committed(byKey, partition))
    const copied: Array<Entry> = []
    for (const part of appended) {
      const isNext = (taken: ReadonlyArray<Entry>, entry: Entry) => {
        const place = placeOf(entry)
        const count = [...copied, ...taken].filter((one) => placeOf(one) === place).length
        return String(copies[place]?.[count]?.value) === entry.record
      }
      copied.push(...(inOrderOfAcceptance(part, isNext) ?? part))
    }

    const pairs = yield* Effect.forEach(partitions, (partition) =>
      Effect.gen(function* () {
        const messages = copies[partition] ?? []
        const events = copied.filter((entry) => placeOf(entry) === partition)
        const { closed, late: lateIds, open, watermark } = expectedWindows(rule, events)
        const { progress, states } = yield* stateOf(stateTopicOf(name), partition)
        const contentOf = ({ acceptedAt, record }: Entry) => ({ record, acceptedAt })
        return {
          actual: {
            copy: messages.map(
              ({ key, timestamp = Number.NaN, value }) => [key?.toString() ?? "", timestamp, String(value)] as const
            ),
            rows: yield* logged(to, partition),
            late: yield* logged(late, partition),
            states,
            progress
          },
          expected: {
            copy: events.map(({ acceptedAt, key, record }) => [key, acceptedAt, record] as const),
            rows: closed.map((one) => ({ record: rowOf(one), acceptedAt: events[one.by]?.acceptedAt ?? Number.NaN })),
            late: lateIds.flatMap((id) => events.filter((one) => one.id === id).map(contentOf)),
            states: open.map(expectedStateOf).sort(byKeyAndStart),
            progress: { next: (messages.at(-1)?.offset ?? -1) + 1, watermark }
          }
        }
      })
    )
    return {
      deaths,
      rows: pairs.reduce((sum, { expected }) => sum + expected.rows.length, 0),
      actual: pairs.map(({ actual }) => actual),
      expected: pairs.map(({ expected }) => expected)
    }
  },
  Effect.scoped,
  Effect.provide(Layer.fresh(MemoryStreams.layer))
)
