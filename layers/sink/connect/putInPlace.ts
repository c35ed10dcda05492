/** Puts what a rebuild of processors has filled in the place of what is in use. Each step can be repeated. */
import { Effect, Layer, Option } from "effect"
import { Connector } from "../../../services/Connector.ts"
import { type Discards, Rebuild, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { type RunningRebuild, Streams } from "../../../services/Streams.ts"
import { Topics } from "../../../services/Topics.ts"
import * as EventLogReaderLayer from "../../log/kafka/EventLogReader.ts"
import { topicNames, withGenerations } from "../../log/kafka/topicNames.ts"
import * as ProcessorReportsLayer from "../../process/kafka/ProcessorReports.ts"
import { isSame } from "../../process/planProcessors.ts"
import * as LogId from "../../table/trino/logId.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import { Refused, streamsOf } from "../rebuiltTogether.ts"
import * as ConnectorFilter from "./connectorFilter.ts"
import { tableOf } from "./fillGeneration.ts"
import * as GenerationTopics from "./generationTopics.ts"
import * as HeldConnector from "./heldConnector.ts"
import * as RebuildLayer from "./Rebuild.ts"
import * as RebuildRun from "./RebuildRun.ts"
import { namesOf } from "./rebuildConnector.ts"
import { leaving, retryWhileUnavailable } from "./rebuildFailures.ts"
import * as SinkCommits from "./SinkCommits.ts"

type OnProgress = (step: string) => Effect.Effect<void>

/** What reads the log and the tables, with these streams. */
export const readersOf = (streams: Streams["Service"]) =>
  Layer.merge(Layer.fresh(RebuildLayer.layer), Layer.fresh(ProcessorReportsLayer.layer({ countsOpen: false }))).pipe(
    Layer.provideMerge([
      Layer.fresh(EventLogReaderLayer.layerOf(ConnectorFilter.eventOf, ConnectorFilter.recognizing)),
      Layer.fresh(SinkCommits.layer)
    ]),
    Layer.provideMerge(Layer.succeed(Streams, streams))
  )

/** The table of a rebuild, with all that filled it. */
export const removeTable = Effect.fnUntraced(function* (table: string) {
  const names = namesOf(table)
  yield* RebuildRun.discard(names)
  yield* retryWhileUnavailable((yield* Topics).remove(names.controlTopic))
  yield* retryWhileUnavailable(RebuildTable.drop(table))
})

/** A table whose rebuild has no connector any more is one that was put in place. */
const requireReplaced = Effect.fnUntraced(function* (stream: string, topic: string) {
  const log = Option.getOrUndefined(yield* (yield* Topics).describe(topic))
  const id = Option.getOrUndefined(yield* LogId.read(stream))
  if (log === undefined || id === log.id) return
  return yield* new Refused({
    message: `The connector that fills the new table of ${stream} was removed. Run floe rebuild --stream ${stream} --into ${stream}_again --promote, and then the same command again.`
  })
})

const steps = Effect.fnUntraced(function* (rebuild: RunningRebuild, discard: Discards, onProgress: OnProgress) {
  const { definitions, former, generation } = rebuild
  const streams = yield* Streams
  const connector = yield* Connector
  const written = streamsOf(definitions)
  const others = new Set(yield* connector.names)
  const isLeft = (stream: string) => others.has(namesOf(tableOf(stream, generation)).connector)

  yield* onProgress("stopping the connectors")
  for (const stream of written.filter(isLeft)) yield* HeldConnector.hold(stream, false, () => Effect.void)
  yield* streams.setGeneration(rebuild)
  const applied = yield* streams.processors
  for (const one of definitions) {
    if (!applied.some((known) => isSame(known, one))) yield* streams.recordProcessor(one)
  }
  const { ofStream } = yield* topicNames
  yield* Effect.gen(function* () {
    const { promote } = yield* Rebuild
    for (const stream of written) {
      const table = tableOf(stream, generation)
      if (isLeft(stream)) {
        // The last promotion may have stopped it, and the sink may have gone on since.
        yield* connector.resume(namesOf(table).connector)
        yield* promote(table, (step) => onProgress(`${stream}: ${step}`), { ...discard, missingRows: true }, stream)
      } else yield* requireReplaced(stream, ofStream(stream))
      yield* HeldConnector.pauseAgain(stream)
      yield* removeTable(table)
    }
  }).pipe(Effect.provide(readersOf(streams)), Effect.scoped)
  yield* onProgress("removing the old topics")
  const before = Effect.provideService(topicNames, Streams, withGenerations(streams, Object.entries(former)))
  yield* GenerationTopics.remove(definitions, yield* before)
  yield* streams.setRebuild(undefined, rebuild)
  return { names: definitions.map(({ name }) => name), tables: written }
})

/** Of a rebuild that is `switching`. */
export const putInPlace = (rebuild: RunningRebuild, discard: Discards, onProgress: OnProgress) => {
  const [{ name }] = rebuild.definitions
  return retryWhileUnavailable(steps(rebuild, discard, onProgress)).pipe(
    Effect.mapError((error) =>
      error instanceof Refused
        ? error
        : new RebuildUnavailable({
            reason: leaving(
              `Sinks of its streams may be stopped: run floe processor rebuild ${name} again to complete it.`
            )(error).message,
            cause: error
          })
    )
  )
}
