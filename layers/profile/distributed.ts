/** The layers of the distributed profile: Kafka, Kafka Connect, an object store and Trino. */
import { Layer } from "effect"
import * as LogTarget from "../ingest/LogTarget.ts"
import * as ConsumerGroups from "../log/kafka/ConsumerGroups.ts"
import * as DeadLetters from "../log/kafka/DeadLetters.ts"
import * as EventLog from "../log/kafka/EventLog.ts"
import * as EventLogReader from "../log/kafka/EventLogReader.ts"
import * as Topics from "../log/kafka/Topics.ts"
import * as Checks from "../operate/doctor/distributed.ts"
import * as Metastore from "../operate/probes/Metastore.ts"
import * as Components from "../operate/status/distributed.ts"
import * as Storage from "../operate/storage/s3.ts"
import * as WatchClock from "../runtime/watchClock.ts"
import * as Connector from "../sink/connect/Connector.ts"
import * as ConnectorFilter from "../sink/connect/connectorFilter.ts"
import * as RebuildLayer from "../sink/connect/Rebuild.ts"
import * as SinkCommits from "../sink/connect/SinkCommits.ts"
import * as Maintenance from "../table/trino/Maintenance.ts"
import * as Query from "../table/trino/Query.ts"
import * as TableChecksumsLayer from "../table/trino/TableChecksums.ts"
import * as TableReader from "../table/trino/TableReader.ts"
import * as KafkaClientFallback from "./KafkaClientFallback.ts"

export const log = EventLog.layer

export const logTarget = LogTarget.layer

/** Its address is in its settings. */
export const serverAddress = Layer.empty

export const logReader = EventLogReader.layer

export const clockSteps = WatchClock.layer

export const query = Query.layer

export const connector = Connector.layer

export const storage = Storage.layer

export const topics = Topics.layer

export const deadLetters = DeadLetters.layer

export const consumerGroups = ConsumerGroups.layer

export const sinkCommits = SinkCommits.layer

/** The table to make, with what tells which topic it is made from. */
export const tableCreation = Layer.mergeAll(
  query,
  KafkaClientFallback.topics,
  consumerGroups,
  KafkaClientFallback.sinkCommits
)

export const tableReader = (table: string) => TableReader.at(table).pipe(Layer.provide([query, sinkCommits]))

export const audit = Layer.merge(
  EventLogReader.layerOf(ConnectorFilter.eventOf),
  TableChecksumsLayer.layer.pipe(Layer.provide([query, sinkCommits]))
)

export const rebuild = RebuildLayer.layer.pipe(
  Layer.provide([
    EventLogReader.layerOf(ConnectorFilter.eventOf),
    topics,
    consumerGroups,
    sinkCommits,
    connector,
    query
  ])
)

export const maintenance = Maintenance.layer.pipe(
  Layer.provide([storage, KafkaClientFallback.logReader, KafkaClientFallback.sinkCommits])
)

/** Without the Kafka client it leaves out how far the log is in the table. */
const weatherReader = TableReader.at("weather").pipe(Layer.provide([query, KafkaClientFallback.sinkCommits]))

export const status = Components.layer.pipe(
  Layer.provide([connector, Metastore.layer, storage]),
  Layer.provideMerge([KafkaClientFallback.logReader, weatherReader])
)

export const checksWithin = (limits: Checks.Limits) =>
  Checks.within(limits).pipe(
    Layer.provide(Components.layer),
    Layer.provide([
      KafkaClientFallback.topics,
      consumerGroups,
      connector,
      Metastore.layer,
      storage,
      query,
      KafkaClientFallback.logReader,
      KafkaClientFallback.sinkCommits,
      weatherReader
    ])
  )

export const checks = checksWithin({})
