/**
 * Runs the processors of a module over Kafka's log: each partition of each input by itself. Of several copies of this program
 * one works on a partition, and the others wait.
 */
import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { Cause, Effect, Exit, FiberSet, Layer, type Scope } from "effect"
import { Streams } from "../../../services/Streams.ts"
import { stateTopicOf } from "../../../services/Topics.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import { KafkaFailure } from "../../log/kafka/failures.ts"
import * as StreamsLayer from "../../log/kafka/Streams.ts"
import { rebuiltStreams, topicNames } from "../../log/kafka/topicNames.ts"
import { messageOf } from "../../runtime/sqliteReason.ts"
import type { Beat } from "../Beat.ts"
import { inOrder } from "../inOrder.ts"
import type { DeclaredProcessor } from "../openProcessor.ts"
import { ProcessorStopped } from "../Runner.ts"
import { watch } from "../watch.ts"
import { assignments } from "./assignments.ts"
import { followed, type Generation, isSame, lookInterval, newRebuild } from "./followed.ts"
import { type Assignment, serve } from "./serve.ts"
import { silence, silenceMillis } from "./silence.ts"
import { isFenced } from "./TransactionalProducer.ts"

/** Milliseconds. */
const longestSilence = 48_000

interface RunOptions {
  readonly isDraining: () => boolean
  /** Those that do not run, and why: sentences. */
  readonly stopped: Readonly<Record<string, string>>
  /** For the report of a function that does not return. */
  readonly folder: string
}

interface Shared {
  readonly id: string
  readonly beat: Beat
  readonly index: number
  readonly isDraining: () => boolean
}

/** Until it is draining, or the processor is stopped. */
const worker = Effect.fnUntraced(function* (
  assignment: Assignment,
  shared: Shared & { readonly isPaused: () => boolean }
) {
  const { name, partition, what } = assignment
  let isFailing = false
  let patience = silenceMillis
  while (!shared.isDraining()) {
    if (shared.isPaused()) {
      yield* Effect.sleep(lookInterval)
      continue
    }
    yield* silence(stateTopicOf(name), partition, patience, shared.isDraining)
    if (shared.isDraining()) return
    let committed = 0
    const exit = yield* serve(assignment, {
      ...shared,
      isDraining: () => shared.isDraining() || shared.isPaused(),
      onReady: Effect.suspend(() => {
        const goesOn = isFailing
        isFailing = false
        return Effect.log(`${what} ${goesOn ? "goes on" : "works"}.`)
      }),
      onCommit: (events) => {
        committed += events
      }
    }).pipe(Effect.scoped, Effect.exit)
    if (Exit.isSuccess(exit)) {
      if (!shared.isDraining()) yield* Effect.log(`${what} is paused.`)
      continue
    }
    const cause = Cause.squash(exit.cause)
    if (cause instanceof ProcessorStopped) return yield* Effect.logError(cause.message)
    if (cause instanceof KafkaFailure && isFenced(cause)) {
      // If neither of two copies finishes a transaction in this time, they would fence each other forever.
      patience = committed > 0 ? silenceMillis : Math.min(longestSilence, 2 * patience)
      yield* Effect.logInfo(`${what} waits: another copy has taken it over.`)
      continue
    }
    patience = silenceMillis
    if (!isFailing) yield* Effect.logWarning(`${what} cannot go on: ${messageOf(cause)} Retrying until it works.`)
    isFailing = true
  }
})

/** Waits for the topics of a generation of a processor, then runs its partitions. */
const ofGeneration = Effect.fnUntraced(function* (
  declared: DeclaredProcessor,
  { rebuild }: Generation,
  shared: Shared & { readonly isPaused: () => boolean }
) {
  const streams = yield* Streams
  const find =
    rebuild === undefined
      ? assignments(declared)
      : Effect.flatMap(topicNames, (inUse) =>
          Effect.provideService(assignments(declared, inUse), Streams, rebuiltStreams(streams, rebuild))
        )
  let told = ""
  while (!shared.isDraining()) {
    const found = yield* Effect.exit(find)
    if (Exit.isSuccess(found) && !("waiting" in found.value)) {
      return yield* Effect.forEach(found.value, (one) => worker(one, shared), {
        concurrency: "unbounded",
        discard: true
      })
    }
    const cause = Exit.isSuccess(found) ? undefined : Cause.squash(found.cause)
    if (cause instanceof ProcessorStopped) return yield* Effect.logError(cause.message)
    const sentence =
      Exit.isSuccess(found) && "waiting" in found.value
        ? found.value.waiting
        : `The processor ${declared.definition.name} cannot start: ${messageOf(cause)} Retrying until it works.`
    if (sentence !== told) yield* Effect.logInfo(sentence)
    told = sentence
    yield* Effect.sleep(lookInterval)
  }
})

/** Runs the generation in use, and the one that a rebuild fills. */
const processor = Effect.fnUntraced(function* (declared: DeclaredProcessor, shared: Shared) {
  const { isPaused, running } = yield* followed(declared.definition.name)
  const workers = yield* FiberSet.make<void, never>()
  let started: ReadonlyArray<Generation> = []
  const start = Effect.gen(function* () {
    while (!shared.isDraining()) {
      const wanted = running()
      for (const one of wanted.filter((one) => !started.some((other) => isSame(one, other)))) {
        const isWanted = () => running().some((other) => isSame(one, other))
        const work = ofGeneration(declared, one, {
          ...shared,
          isDraining: () => shared.isDraining() || !isWanted(),
          isPaused: () => one.rebuild === undefined && isPaused()
        })
        yield* FiberSet.run(workers, work)
      }
      started = wanted
      yield* Effect.sleep(lookInterval)
    }
    yield* FiberSet.awaitEmpty(workers)
  })
  yield* Effect.raceFirst(start, FiberSet.join(workers))
}, Effect.scoped)

const run = Effect.fnUntraced(function* <E>(
  load: Effect.Effect<ReadonlyArray<DeclaredProcessor>, E>,
  { folder, isDraining, stopped }: RunOptions
): Effect.fn.Return<"nothing" | "drained" | "rebuilding", E, Cluster | Streams | Scope.Scope> {
  // Before the module is loaded, so that no rebuild is missed that needs a newer one.
  const isRebuilding = yield* newRebuild
  const declared = yield* load
  if (declared.length === 0) return "nothing"
  mkdirSync(folder, { recursive: true })
  const ordered = inOrder(declared.map(({ definition }) => definition))
  const beat = watch(folder, ordered)
  const id = randomUUID()
  const isEnding = () => isDraining() || isRebuilding()
  const running = ordered.flatMap((definition, index) => {
    const one = declared.find((one) => one.definition === definition)
    return one === undefined || stopped[definition.name] !== undefined
      ? []
      : [processor(one, { id, beat, index, isDraining: isEnding })]
  })
  yield* Effect.all(running, { concurrency: "unbounded", discard: true })
  // All of them are stopped: the process stays, so that it is not started again.
  while (!isEnding()) yield* Effect.sleep(lookInterval)
  return isDraining() ? "drained" : "rebuilding"
}, Effect.scoped)

/**
 * Runs what `load` gives until `isDraining`, or until a rebuild needs it loaded again; ends with the transactions that are open
 * then. Fails without the Kafka client, or with wrong settings.
 */
export const runOnKafka = <E>(load: Effect.Effect<ReadonlyArray<DeclaredProcessor>, E>, options: RunOptions) =>
  Effect.provide(run(load, options), StreamsLayer.layer.pipe(Layer.provideMerge(Cluster.layer)))
