/** Runs a processor again from the start of its input, each partition by itself, into files of their own: in the processors' process. */
import { join } from "node:path"
import { Effect, Layer, Schema } from "effect"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import * as StreamsLayer from "../../log/kafka/Streams.ts"
import type { Beat } from "../Beat.ts"
import { newestOf, requireKnownVersion } from "../inputVersion.ts"
import type { DeclaredProcessor } from "../openProcessor.ts"
import * as Runner from "../Runner.ts"
import { NotDeclared } from "../replay.ts"
import { maxBatch } from "../Slot.ts"
import type { Tick } from "../Store.ts"
import { watch } from "../watch.ts"
import type { ReplayMessage, ReplayRequest } from "../workerProtocol.ts"
import { assignments } from "./assignments.ts"
import * as InputTopic from "./InputTopic.ts"
import * as ReplayStore from "./ReplayStore.ts"
import { scan } from "./stateSummary.ts"
import type { Processing } from "./work.ts"

const reportMillis = 200

class CannotBegin extends Schema.TaggedError<CannotBegin>()("CannotBegin", { message: Schema.String }) {}

export const replayFile = (folder: string, partition: number) => join(folder, `${partition}.db`)

/** The first moments at which a processor has closed windows by the clock. */
const ticksOf = Effect.fnUntraced(function* (topic: string, partition: number, count: number) {
  const ticks: Array<Tick> = []
  if (count === 0) return ticks
  const bounds = (yield* (yield* Cluster).bounds(topic, partition + 1, "read_committed"))[partition]
  const consumers = yield* Consumer.make(topic, "read_committed")
  yield* scan(consumers, partition, bounds?.start ?? 0, bounds?.end ?? 0, (_, record) => {
    if (record._tag === "Tick" && record.n < count) ticks[record.n] = record.tick
  })
  return ticks.filter((tick) => tick !== undefined)
}, Effect.scoped)

interface Options {
  readonly partition: number
  /** Offset at which the processor has begun. */
  readonly first: number
  readonly stages: NonNullable<ReplayRequest["partitions"]>[number]["stages"]
  /** Ends before the first event that was accepted then or later; milliseconds since 1970. */
  readonly before: number
  readonly folder: string
  readonly beat: Beat
  readonly onProgress: (events: number) => void
}

const ofPartition = Effect.fnUntraced(function* (
  { bound, late, output, stateTopic, topic }: Processing,
  { beat, before, first, folder, onProgress, partition, stages }: Options
) {
  const { definition } = bound
  const ticks = (yield* ticksOf(stateTopic, partition, stages.at(-1)?.ticks ?? 0)).filter(({ at }) => at < before)
  // The broker's search by time finds the markers of transactions as well, so that the events themselves say where it ends.
  let last = Number.POSITIVE_INFINITY
  const path = replayFile(folder, partition)
  const store = yield* Effect.acquireRelease(
    Effect.try({
      try: () => ReplayStore.open({ definition, path, partition, first, output, late }),
      catch: (cause) => cause
    }),
    (store) => Effect.sync(() => store.close())
  )
  const runner = Runner.make(bound, store, { beat, partition })
  const input = yield* InputTopic.open({ stream: definition.from, topic, partition, from: first })
  const version = bound.history.at(-1)?.version ?? 1
  const attempt = (run: () => void) => Effect.try({ try: run, catch: (cause) => cause })

  let fetched: ReadonlyArray<Runner.InputEvent> = []
  let isOver = false
  let ticked = 0
  for (const [stage, { ticks: count, until }] of stages.entries()) {
    yield* attempt(() => store.enter(stage))
    let pending = 0
    for (;;) {
      const tick = ticked < count ? ticks[ticked] : undefined
      const end = Math.min(until, last, tick?.next ?? Number.POSITIVE_INFINITY)
      if (runner.next() < end && fetched.length === 0 && !isOver) {
        fetched = yield* input.next
        isOver = fetched.length === 0 && input.isAtEnd()
        last = Math.min(last, fetched.find(({ acceptedAt }) => acceptedAt >= before)?.offset ?? last)
        if (!isOver) continue
      }
      const cut = fetched.findIndex(({ offset }) => offset >= end)
      const events = cut < 0 ? fetched : fetched.slice(0, cut)
      fetched = cut < 0 ? [] : fetched.slice(cut)
      if (events.length > 0) {
        yield* attempt(() => {
          requireKnownVersion(definition, version, newestOf(events))
          beat.during(0, () => runner.add(events), partition)
          pending += events.length
          if (pending < maxBatch) return
          runner.commit()
          pending = 0
        })
        onProgress(runner.next())
        continue
      }
      if (runner.next() < end && fetched.length === 0 && !isOver) continue
      if (tick !== undefined && tick.next <= Math.min(until, last)) {
        yield* attempt(() => beat.during(0, () => runner.tick(tick.at), partition))
        ticked++
        continue
      }
      yield* attempt(() => runner.commit())
      break
    }
  }
})

const run = Effect.fnUntraced(function* (
  declared: ReadonlyArray<DeclaredProcessor>,
  { before = Number.POSITIVE_INFINITY, into, names, partitions = [] }: ReplayRequest,
  tell: (message: ReplayMessage) => void
) {
  const [name = ""] = names
  const one = declared.find(({ definition }) => definition.name === name)
  if (one === undefined) return yield* new NotDeclared({ name })
  const found = yield* assignments(one)
  if ("waiting" in found) return yield* new CannotBegin({ message: found.waiting })
  const beat = watch(into, [one.definition])
  let earlier = 0
  let reported = performance.now()
  for (const { first, partition, stages } of partitions) {
    const reads = found.map((other) => other.reads).find((other) => other?.partition === partition)
    if (reads === undefined) continue
    let reached = 0
    const onProgress = (events: number) => {
      reached = events
      if (performance.now() - reported < reportMillis) return
      reported = performance.now()
      tell({ _tag: "Progress", processor: name, events: earlier + events })
    }
    yield* Effect.scoped(ofPartition(reads, { partition, first, stages, before, folder: into, beat, onProgress }))
    earlier += reached
  }
})

/** Fails with what the processor's functions throw, or the broker. */
export const replayOnKafka = (
  declared: ReadonlyArray<DeclaredProcessor>,
  request: ReplayRequest,
  tell: (message: ReplayMessage) => void
) => Effect.provide(run(declared, request, tell), StreamsLayer.layer.pipe(Layer.provideMerge(Cluster.layer)))
