/** The layers of the distributed profile: Kafka, Kafka Connect, an object store and Trino. */
import { Layer } from "effect"
import { recognizing } from "../ingest/checker/LoggedEvents.ts"
import * as LogTarget from "../ingest/LogTarget.ts"
import * as ConsumerGroups from "../log/kafka/ConsumerGroups.ts"
import * as DeadLetters from "../log/kafka/DeadLetters.ts"
import * as EventLog from "../log/kafka/EventLog.ts"
import * as EventLogReader from "../log/kafka/EventLogReader.ts"
import * as Streams from "../log/kafka/Streams.ts"
import * as Topics from "../log/kafka/Topics.ts"
import * as Checks from "../operate/doctor/distributed.ts"
import * as Metastore from "../operate/probes/Metastore.ts"
import * as ConnectSinks from "../operate/status/connectSinks.ts"
import * as Components from "../operate/status/distributed.ts"
import * as Storage from "../operate/storage/s3.ts"
import * as ProcessorReplays from "../process/kafka/ProcessorReplays.ts"
import * as ProcessorReports from "../process/kafka/ProcessorReports.ts"
import * as Processors from "../process/kafka/Processors.ts"
import { ProcessorPauses } from "../process/ProcessorPauses.ts"
import * as WatchClock from "../runtime/watchClock.ts"
import * as Connector from "../sink/connect/Connector.ts"
import * as ConnectorFilter from "../sink/connect/connectorFilter.ts"
import * as ProcessorEvolution from "../sink/connect/ProcessorEvolution.ts"
import * as ProcessorRebuild from "../sink/connect/ProcessorRebuild.ts"
import * as Rebuild from "../sink/connect/Rebuild.ts"
import * as SinkCommits from "../sink/connect/SinkCommits.ts"
import * as TableEvolution from "../sink/connect/TableEvolution.ts"
import * as Maintenance from "../table/trino/Maintenance.ts"
import * as Query from "../table/trino/Query.ts"
import * as TableChecksums from "../table/trino/TableChecksums.ts"
import * as TableReader from "../table/trino/TableReader.ts"
import * as KafkaClientFallback from "./KafkaClientFallback.ts"
import { noBackup, onlyEmbedded, type ProfileLayers } from "./ProfileLayers.ts"

const filteredLog = EventLogReader.layerOf(ConnectorFilter.eventOf, ConnectorFilter.recognizing).pipe(
  Layer.provide(KafkaClientFallback.streams)
)
const logReader = EventLogReader.layer(recognizing).pipe(Layer.provide(KafkaClientFallback.streams))

const sinkCommits = SinkCommits.layer.pipe(Layer.provide(Streams.layer))

/** Without the Kafka client it does not know how far the log is in the table. */
const weatherReader = TableReader.at("weather").pipe(Layer.provide([Query.layer, KafkaClientFallback.sinkCommits]))

const evolution = Layer.merge(TableEvolution.layer, ProcessorEvolution.layer).pipe(
  Layer.provideMerge(KafkaClientFallback.streams),
  Layer.provide([KafkaClientFallback.topics, ConsumerGroups.layer, Connector.layer, Query.layer])
)

const streamSinks = ConnectSinks.layer.pipe(
  Layer.provide([KafkaClientFallback.streams, Connector.layer, Query.layer, KafkaClientFallback.sinkCommits])
)

const processorReports = (countsOpen: boolean) =>
  ProcessorReports.layer({ countsOpen }).pipe(
    Layer.provide([KafkaClientFallback.streams, KafkaClientFallback.logReader])
  )

export const checksWithin = (limits: Checks.Limits) =>
  Checks.within(limits).pipe(
    Layer.provide(Components.layer),
    Layer.provide([
      KafkaClientFallback.topics,
      ConsumerGroups.layer,
      Connector.layer,
      Metastore.layer,
      Storage.layer,
      Query.layer,
      KafkaClientFallback.logReader,
      KafkaClientFallback.sinkCommits,
      KafkaClientFallback.deadLetters,
      weatherReader,
      evolution,
      streamSinks,
      processorReports(false)
    ])
  )

export const layers = {
  log: EventLog.layer(recognizing).pipe(Layer.provideMerge(Streams.layer)),
  logReader,
  existingLog: logReader,
  streams: KafkaClientFallback.streams,
  logTarget: LogTarget.layer,
  // Its address is in its settings.
  serverAddress: Layer.empty,
  clockSteps: WatchClock.layer,
  onlyEmbedded: onlyEmbedded(),
  sink: onlyEmbedded(),
  processors: Processors.layer,
  processorReports: processorReports(true),
  processorReplays: ProcessorReplays.layer.pipe(
    Layer.provide([KafkaClientFallback.streams, KafkaClientFallback.logReader])
  ),
  processorPauses: ProcessorPauses.onKafka.pipe(Layer.provide(KafkaClientFallback.streams)),
  processorRebuild: ProcessorRebuild.layer.pipe(
    Layer.provide([Streams.layer, Topics.layer, ConsumerGroups.layer, Connector.layer, Query.layer])
  ),
  query: Query.layer,
  tableReader: (table: string) => TableReader.at(table).pipe(Layer.provide([Query.layer, sinkCommits])),
  audit: Layer.merge(filteredLog, TableChecksums.layer.pipe(Layer.provide([Query.layer, sinkCommits]))),
  maintenance: (stream: string) =>
    Maintenance.layerOf(stream).pipe(
      Layer.provide([
        Storage.layer,
        KafkaClientFallback.logReader,
        KafkaClientFallback.sinkCommits,
        KafkaClientFallback.streams
      ])
    ),
  rebuild: Rebuild.layer.pipe(
    Layer.provide([
      filteredLog,
      Streams.layer,
      Topics.layer,
      ConsumerGroups.layer,
      sinkCommits,
      Connector.layer,
      Query.layer
    ])
  ),
  status: Components.layer.pipe(
    Layer.provide([Connector.layer, Metastore.layer, Storage.layer]),
    Layer.provideMerge([
      KafkaClientFallback.logReader,
      weatherReader,
      KafkaClientFallback.streams,
      streamSinks,
      processorReports(false)
    ])
  ),
  checks: checksWithin({}),
  evolution,
  storage: Storage.layer,
  backup: noBackup,
  connector: Connector.layer,
  kafkaConnect: Connector.layer,
  registration: Layer.merge(Connector.layer, ConsumerGroups.layer),
  tableCreation: Layer.mergeAll(
    Query.layer,
    KafkaClientFallback.topics,
    ConsumerGroups.layer,
    KafkaClientFallback.sinkCommits
  ),
  topics: Topics.layer,
  consumerGroups: ConsumerGroups.layer,
  deadLetters: DeadLetters.layer.pipe(Layer.provide(Streams.layer))
} satisfies ProfileLayers
