/**
 * Rebuilds processors on Kafka. New topics are filled beside those in use, and a table beside each stream's. Then the sinks
 * stop, one record moves all readers to the new topics, and each table is replaced in one commit.
 *
 * A rebuild that dies while it fills has changed nothing, and the next one begins again. From the moment the sinks are told
 * to stop, the same command completes it.
 */
import { Array as Arr, Effect, Layer } from "effect"
import type { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { ProcessorRebuild, ProcessorRebuildFailed } from "../../../services/ProcessorRebuild.ts"
import type { Query } from "../../../services/Query.ts"
import type { Discards } from "../../../services/Rebuild.ts"
import * as Settings from "../../../services/Settings.ts"
import { type RunningRebuild, Streams } from "../../../services/Streams.ts"
import type { Topics } from "../../../services/Topics.ts"
import { rebuiltStreams, topicNames } from "../../log/kafka/topicNames.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import { Refused, rebuiltTogether, streamsOf } from "../rebuiltTogether.ts"
import { applyLock, processorRebuildLock } from "./applyLock.ts"
import * as FillGeneration from "./fillGeneration.ts"
import { requireSameInputs } from "./generationChecks.ts"
import * as GenerationTopics from "./generationTopics.ts"
import { requireNoOtherWriters, requirePromotable } from "./promotionChecks.ts"
import { putInPlace, readersOf, removeTable } from "./putInPlace.ts"
import { namesOf } from "./rebuildConnector.ts"
import { retryWhileUnavailable } from "./rebuildFailures.ts"
import { targetOf } from "./rebuildTarget.ts"
import { requireRebuildable } from "./requireRebuildable.ts"

type OnProgress = (step: string) => Effect.Effect<void>

const { tableOf } = FillGeneration

const lockInterval = "2 seconds"

const refuse = (message: string) => Effect.fail(new Refused({ message }))

const nameOf = ({ definitions: [{ name }] }: RunningRebuild) => name

const make = Effect.gen(function* () {
  const services = yield* Effect.context<Connector | ConsumerGroups | Query | Streams | Topics>()
  const streams = yield* Streams
  const groups = yield* ConsumerGroups
  const settings = { replication: yield* Settings.replication, bucket: (yield* Settings.s3).bucket }

  const namesFor = (rebuild: Pick<RunningRebuild, "definitions" | "generation">) =>
    Effect.provideService(topicNames, Streams, rebuiltStreams(streams, { former: {}, phase: "filling", ...rebuild }))

  /** Forgets a rebuild that has changed nothing yet. */
  const abandon = Effect.fnUntraced(function* (rebuild: RunningRebuild) {
    const { definitions, generation, phase } = rebuild
    // It stays as a record, so that the next one has another number and nothing takes its topics for these.
    if (phase === "filling") yield* streams.setRebuild({ ...rebuild, phase: "abandoned" }, rebuild)
    for (const stream of streamsOf(definitions)) yield* removeTable(tableOf(stream, generation))
    yield* GenerationTopics.remove(definitions, yield* namesFor(rebuild))
  })

  /** The next generation whose topics and tables do not exist yet: those of another program are left alone. */
  const next = Effect.fnUntraced(function* (definitions: RunningRebuild["definitions"], last: number) {
    const known = yield* streams.generations
    const former = Object.fromEntries(definitions.map(({ name }) => [name, known.get(name) ?? 1]))
    let generation = 1 + Math.max(last, ...Object.values(former))
    const isTaken = Effect.suspend(() =>
      Effect.gen(function* () {
        const topics = yield* GenerationTopics.existing(definitions, yield* namesFor({ definitions, generation }))
        const tables = yield* Effect.filter(streamsOf(definitions), (stream) =>
          RebuildTable.exists(tableOf(stream, generation))
        )
        return topics.length + tables.length > 0
      })
    )
    while (yield* isTaken) generation++
    return { definitions, generation, former, phase: "filling" } satisfies RunningRebuild
  })

  const requireReady = Effect.fnUntraced(function* ({ definitions, generation }: RunningRebuild, discard: Discards) {
    for (const stream of streamsOf(definitions)) {
      const table = tableOf(stream, generation)
      yield* requirePromotable(yield* targetOf(settings, stream, table), namesOf(table), discard)
    }
    yield* Effect.provideService(requireRebuildable(definitions), Streams, streams)
  })

  const locked = Effect.fnUntraced(function* (onProgress: OnProgress) {
    while (!(yield* retryWhileUnavailable(groups.lock(applyLock)))) {
      yield* onProgress("waiting until floe streams apply ends")
      yield* Effect.sleep(lockInterval)
    }
  })

  /** Returns the rebuild whose tables are to be put in place. */
  const fill = Effect.fnUntraced(function* (rebuild: RunningRebuild, discard: Discards, onProgress: OnProgress) {
    const { definitions, generation } = rebuild
    const switching: RunningRebuild = { ...rebuild, phase: "switching" }
    yield* onProgress("creating topics")
    yield* GenerationTopics.create(definitions, yield* namesFor(rebuild))
    yield* Effect.gen(function* () {
      yield* FillGeneration.fill(definitions, generation, discard, onProgress)
      // Nothing that is checked may change until the sinks are told to stop.
      yield* locked(onProgress)
      yield* requireReady(rebuild, discard)
      yield* streams.setRebuild(switching, rebuild)
    }).pipe(Effect.provide(readersOf(rebuiltStreams(streams, rebuild))), Effect.scoped)
    return switching
  })

  const begin = Effect.fnUntraced(function* (
    name: string,
    last: RunningRebuild | undefined,
    discard: Discards,
    onProgress: OnProgress
  ) {
    if (last !== undefined) yield* abandon(last)
    const definitions = yield* rebuiltTogether(name)
    if (!Arr.isReadonlyArrayNonEmpty(definitions)) return yield* refuse(`There is nothing to rebuild for ${name}.`)
    yield* requireRebuildable(definitions)
    yield* requireSameInputs(definitions)
    for (const stream of streamsOf(definitions)) yield* requireNoOtherWriters(stream, discard)
    const rebuild = yield* next(definitions, last?.generation ?? 1)
    yield* streams.setRebuild(rebuild, last && { ...last, phase: "abandoned" })
    return yield* fill(rebuild, discard, onProgress).pipe(
      Effect.onError(() =>
        Effect.catch(abandon(rebuild), (error) =>
          Effect.logWarning(
            `Some of what the rebuild used could not be removed; the next one removes it. ${error.message}`
          )
        )
      )
    )
  })

  const run = Effect.fn("ProcessorRebuild.run")(
    function* (name: string, discard: Discards, onProgress: OnProgress) {
      if (!(yield* retryWhileUnavailable(groups.lock(processorRebuildLock)))) {
        return yield* refuse(
          `Another floe processor rebuild is running (it is in Kafka's group ${processorRebuildLock}); run this when it has ended.`
        )
      }
      const last = yield* streams.rebuild
      if (last?.phase === "switching" && !last.definitions.some((one) => one.name === name)) {
        return yield* refuse(
          `A rebuild of ${nameOf(last)} is not finished; run floe processor rebuild ${nameOf(last)} first.`
        )
      }
      const switching = last?.phase === "switching" ? last : yield* begin(name, last, discard, onProgress)
      return yield* putInPlace(switching, discard, onProgress)
    },
    Effect.scoped,
    Effect.provide(services),
    Effect.mapError((cause) => new ProcessorRebuildFailed({ reason: cause.message, cause }))
  )
  return ProcessorRebuild.of({ run })
})

export const layer = Layer.effect(ProcessorRebuild, make)
