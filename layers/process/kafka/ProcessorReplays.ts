/** Processors run again over the topics that they read, in the distributed profile. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Context, Effect, Layer, Schedule } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { LogUnavailable } from "../../../services/EventLog.ts"
import { Streams } from "../../../services/Streams.ts"
import { byKeyTopicOf, stateTopicOf } from "../../../services/Topics.ts"
import { readsByKey } from "../../declaration/keyRule.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { unavailable } from "../../log/kafka/failures.ts"
import * as LastEvents from "../../log/kafka/lastEvents.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import { placesIn } from "../../runtime/DataFolder.ts"
import { NotBegun, ProcessorReplays, type RerunOptions } from "../ProcessorReplays.ts"
import * as RowComparison from "../RowComparison.ts"
import { ReplayFailed, replayInProcess } from "../replayInProcess.ts"
import { appendStates } from "../sqlite/stateLines.ts"
import { definitionIn, reachedIn, rowsIn } from "./ReplayStore.ts"
import { replayFile } from "./replay.ts"
import { scan } from "./stateSummary.ts"

/** A dead copy's transaction is open for a minute at most. */
const longestTransaction = "75 seconds"
const lookInterval = "100 millis"

/** How far a partition is. */
interface Reached {
  /** Offset of its first event. */
  readonly first: number
  /** Offset of the next event. */
  readonly next: number
  /** How many times windows were closed by the clock. */
  readonly ticks: number
  /** Of the topic of the state, up to where this was read. */
  readonly end: number
}

const required = 0
const possible = 1

/** A temporary folder of this program; TMPDIR chooses where. */
const temporaryRoot = Effect.acquireRelease(
  Effect.try({
    try: () => {
      const folder = placesIn(mkdtempSync(join(tmpdir(), "floe-replay-")))
      mkdirSync(folder.processors)
      return folder
    },
    catch: (cause) => new ReplayFailed({ reason: `A temporary folder cannot be made: ${String(cause)}.` })
  }),
  ({ root }) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
)

const make = Effect.gen(function* () {
  const cluster = yield* Cluster
  const streams = yield* Streams
  const services = Effect.provide(Context.make(Cluster, cluster).pipe(Context.add(Streams, streams)))

  const partitionsOf = (topic: string) => Effect.map(cluster.describe(topic), ({ partitions }) => partitions.length)

  /** Waits until everything that is in the topic now is committed or aborted; the end of each partition. */
  const settled = Effect.fnUntraced(function* (topic: string, count: number) {
    const ends = yield* cluster.offsets(topic, count, "end")
    yield* cluster.offsets(topic, count, "end", "read_committed").pipe(
      Effect.repeat({
        schedule: Schedule.spaced(lookInterval),
        until: (now) => ends.every((end, partition) => (now[partition] ?? 0) >= end)
      }),
      Effect.timeoutOrElse({
        duration: longestTransaction,
        orElse: () =>
          Effect.fail(
            new ReplayFailed({
              reason: `A transaction in the topic ${topic} has been open for more than ${longestTransaction}; look for a program that hangs.`
            })
          )
      })
    )
    return ends
  })

  const read = Effect.fnUntraced(function* (topic: string, known: ReadonlyArray<Reached>, ends: ReadonlyArray<number>) {
    const consumers = yield* Consumer.make(topic, "read_committed")
    return yield* Effect.forEach(known, (one, partition) => {
      let { first, next, ticks } = one
      const end = ends[partition] ?? one.end
      return Effect.map(
        scan(consumers, partition, one.end, end, (_, record) => {
          if (record._tag === "Progress") ({ first = 0, next } = record.progress)
          if (record._tag === "Tick") ticks = Math.max(ticks, record.n + 1)
        }),
        (): Reached => ({ first, next, ticks, end })
      )
    })
  }, Effect.scoped)

  const reached = Effect.fnUntraced(function* (name: string) {
    const definition = (yield* streams.processors).find((one) => one.name === name)
    const names = yield* topicNames
    const topic = stateTopicOf(names.ofProcessor(name))
    if (definition === undefined || (yield* cluster.find(topic)) === undefined) {
      return yield* new NotBegun({ name, start: "node dist/processor.js" })
    }
    const bounds = yield* cluster.bounds(topic, yield* partitionsOf(topic), "read_committed")
    const begun = bounds.map(({ start }): Reached => ({ first: 0, next: 0, ticks: 0, end: start }))
    const now = yield* read(
      topic,
      begun,
      bounds.map(({ end }) => end)
    )
    return { definition, names, topic, now }
  })

  const reading = <A>(use: () => A) =>
    Effect.try({
      try: use,
      catch: (cause) => new ReplayFailed({ reason: `The rows of the new run cannot be read: ${String(cause)}.` })
    })
  const opened = (folder: string, partitions: ReadonlyArray<number>) =>
    Effect.acquireRelease(
      reading(() => partitions.map((one) => new DatabaseSync(replayFile(folder, one), { readOnly: true }))),
      (databases) => Effect.sync(() => databases.forEach((one) => void one.close()))
    )

  interface Comparison {
    readonly databases: ReadonlyArray<DatabaseSync>
    readonly from: number
    readonly before: number
  }

  /** What a stream's topic has up to `ends`, against the new run. */
  const compare = Effect.fnUntraced(function* (
    stream: string,
    topic: string,
    ends: ReadonlyArray<number>,
    { before, databases, from }: Comparison
  ) {
    const starts = yield* cluster.offsets(topic, ends.length, "start")
    const consumers = yield* Consumer.make(topic, "read_committed")
    const sequencesOf = (place: number, stage: number) =>
      databases.map((one) => rowsIn(one, { stream, place, stage, from, before }))
    const spare = new Map<string, number>()
    for (const place of ends.keys()) {
      for (const rows of sequencesOf(place, possible)) {
        for (const row of rows) spare.set(row, (spare.get(row) ?? 0) + 1)
      }
    }
    const comparison = RowComparison.make(stream, spare)
    let goesOn = true
    for (const [partition, end] of ends.entries()) {
      if (!goesOn) break
      comparison.begin(sequencesOf(partition, required))
      const start = starts[partition] ?? 0
      if (start >= end) continue
      const kept = Effect.gen(function* () {
        const cursor = yield* consumers.open([{ partition, offset: start }])
        for (let next = start; next < end && goesOn; ) {
          const messages = yield* cursor.next
          for (const { offset, timestamp = 0, value } of messages) {
            if (offset >= end || !goesOn) continue
            if (timestamp < from || timestamp >= before) comparison.passed()
            else goesOn = comparison.kept(String(value))
          }
          next = Consumer.nextOffset(cursor, partition, next, messages)
        }
      })
      yield* Effect.scoped(kept)
    }
    return comparison.result()
  }, Effect.scoped)

  const sum = (all: ReadonlyArray<number>) => all.reduce((total, one) => total + one, 0)

  return ProcessorReplays.of({
    rerun: Effect.fn("ProcessorReplays.rerun")(
      function* (name: string, options: RerunOptions = {}) {
        const { definition, names, now, topic } = yield* reached(name)
        if (now.every(({ next, ticks }) => next + ticks === 0)) {
          return yield* new NotBegun({ name, start: "node dist/processor.js" })
        }
        const { before = Number.POSITIVE_INFINITY, from = Number.NEGATIVE_INFINITY } = options
        const written = [definition.to, ...(definition.late === null ? [] : [definition.late])]
        // What is processed by now must be in the streams up to here; what they have here is processed by `later`.
        const ends = yield* Effect.forEach(written, (stream) => {
          const topic = names.ofStream(stream)
          return Effect.flatMap(partitionsOf(topic), (count) => settled(topic, count))
        })
        const later = yield* read(topic, now, yield* settled(topic, now.length))
        const folder = yield* temporaryRoot
        const of = sum(later.map(({ next }) => next))
        const request = {
          names: [name],
          into: folder.processors,
          until: null,
          partitions: now.map((one, partition) => ({
            partition,
            first: (later[partition] ?? one).first,
            stages: [one, later[partition] ?? one].map(({ next, ticks }) => ({ until: next, ticks }))
          }))
        }
        yield* replayInProcess(request, (_, events) => options.onProgress?.(events, of) ?? Effect.void).pipe(
          Effect.provideService(DataFolder, folder)
        )
        const databases = yield* opened(folder.processors, [...now.keys()])
        const compared = yield* Effect.forEach(written, (stream, index) =>
          compare(stream, names.ofStream(stream), ends[index] ?? [], { databases, from, before })
        )
        const upTo = yield* reading(() =>
          databases.map((one, partition) => ({ partition, offset: reachedIn(one, required) }))
        )
        const inputTopic = names.ofStream(definition.from)
        const isByKey = readsByKey(definition, yield* partitionsOf(inputTopic))
        const byKey = byKeyTopicOf(names.ofProcessor(name))
        const reads = isByKey ? byKey : definition.from
        const partitions = yield* LastEvents.boundsOf(isByKey ? byKey : inputTopic)
        const waiting = partitions.map(({ end, partition }) => Math.max(0, end - (now[partition]?.next ?? end)))
        const until = sum(upTo.map(({ offset }) => offset))
        return { definition, until, reads, upTo, waiting: sum(waiting), streams: compared }
      },
      Effect.scoped,
      services,
      Effect.catchTag("KafkaFailure", (error) => Effect.fail(unavailable("processors")(error)))
    ),
    stateAt: Effect.fn("ProcessorReplays.stateAt")(
      function* (name: string, place, onProgress) {
        const { definition, now } = yield* reached(name)
        const until = "offset" in place ? place.offset : Number.MAX_SAFE_INTEGER
        const wanted = "offset" in place ? place.partition : undefined
        if (wanted !== undefined && wanted >= now.length) {
          return yield* new ReplayFailed({
            reason: `There is no partition ${wanted}: the processor ${name} reads ${now.length}.`
          })
        }
        const chosen = now.flatMap(({ first, next, ticks }, partition) =>
          wanted === undefined || wanted === partition ? [{ partition, first, next, ticks }] : []
        )
        const folder = yield* temporaryRoot
        const of = sum(chosen.map(({ next }) => Math.min(next, until)))
        const request = {
          names: [name],
          into: folder.processors,
          until: null,
          partitions: chosen.map(({ first, partition, ticks }) => ({ partition, first, stages: [{ until, ticks }] })),
          ...("time" in place ? { before: place.time } : {})
        }
        yield* replayInProcess(request, (_, events) => onProgress(events, of)).pipe(
          Effect.provideService(DataFolder, folder)
        )
        const lines = join(folder.root, "state.ndjson")
        const partitions = chosen.map(({ partition }) => partition)
        const databases = yield* opened(folder.processors, partitions)
        return yield* reading(() => {
          const [shape = definition] = databases.flatMap((one) => definitionIn(one) ?? [])
          for (const one of databases) appendStates(one, shape.window !== null, lines)
          return { definition: shape, until: sum(databases.map((one) => reachedIn(one, required))), lines }
        })
      },
      services,
      Effect.catchTag("KafkaFailure", (error) => Effect.fail(unavailable("processors")(error)))
    )
  })
})

export const layer = Layer.effect(ProcessorReplays, make).pipe(
  Layer.provide(Cluster.layer),
  Layer.catchTag("KafkaClientMissing", (cause) => {
    const missing = Effect.fail(LogUnavailable.because("processors", cause.message.replace(/\.$/, ""), cause))
    return Layer.succeed(ProcessorReplays, ProcessorReplays.of({ rerun: () => missing, stateAt: () => missing }))
  })
)
