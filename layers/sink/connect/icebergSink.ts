/** Settings of the connector that writes a stream's topic into its table. */
import { Config, Duration } from "effect"
import type { ConnectorConfig } from "../../../services/Connector.ts"
import { commitInterval, replication, topic } from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { weather } from "../../../services/TableReader.ts"
import { controlTopicOf, deadLettersOf, largestRecord } from "../../../services/Topics.ts"
import type { TopicNames } from "../../log/kafka/topicNames.ts"
import { recordColumns } from "./recordColumns.ts"

export interface SinkSettings {
  /** Weather's, if the settings are for it. */
  readonly topic: string
  readonly commitInterval: Duration.Input
  /** Replicas of the dead-letter topic. */
  readonly replication: number
}

export const settings: Config.Config<SinkSettings> = Config.all({ topic, commitInterval, replication })

const bytes = "org.apache.kafka.connect.converters.ByteArrayConverter"

const worker = (variable: string) => `\${env:${variable}}`

/** The settings of a stream's connector: `reading` says how it reads the stream's messages, the rest is the same for all. */
const connectorOf = (
  stream: string,
  { topic, commitInterval, replication }: SinkSettings,
  reading: ConnectorConfig
): ConnectorConfig => ({
  "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
  "tasks.max": "1",
  topics: topic,
  "key.converter": "org.apache.kafka.connect.storage.StringConverter",
  ...reading,

  // Messages that are not events of the stream go to the dead-letter topic, with the reason in their headers.
  "errors.tolerance": "all",
  "errors.deadletterqueue.topic.name": deadLettersOf(topic),
  "errors.deadletterqueue.topic.replication.factor": String(replication),
  "errors.deadletterqueue.context.headers.enable": "true",
  // As large as the topics' records may be.
  "producer.override.max.request.size": String(largestRecord),
  "errors.log.enable": "true",
  "errors.log.include.messages": "false",

  "iceberg.tables": `default.${stream}`,
  "iceberg.tables.auto-create-enabled": "false",
  "iceberg.tables.evolve-schema-enabled": "false",
  "iceberg.control.topic": controlTopicOf(stream),
  "iceberg.control.commit.interval-ms": String(Math.ceil(Duration.toMillis(commitInterval))),
  // The first record starts a worker, which misses the commit already announced; nothing is committed before this time.
  "iceberg.control.commit.timeout-ms": "5000",
  // Not `iceberg.kafka.auto.offset.reset=earliest`: at each start the sink would answer every commit ever announced, which
  // after some days takes longer than its consumer may be away. `floe topics create` sets the coordinator's first offset.
  "iceberg.kafka.session.timeout.ms": "10000",
  "iceberg.kafka.heartbeat.interval.ms": "2000",
  // How long a killed sink's open transaction blocks the control topic; Kafka's default is 60 seconds.
  "iceberg.kafka.transaction.timeout.ms": "20000",

  "iceberg.catalog": "iceberg",
  "iceberg.catalog.type": "hive",
  "iceberg.catalog.uri": worker("FLOE_METASTORE_URI"),
  "iceberg.catalog.warehouse": worker("FLOE_WAREHOUSE"),
  "iceberg.catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
  "iceberg.catalog.client.region": worker("FLOE_S3_REGION"),
  "iceberg.catalog.s3.endpoint": worker("FLOE_S3_ENDPOINT"),
  "iceberg.catalog.s3.path-style-access": "true",
  "iceberg.catalog.s3.access-key-id": worker("FLOE_S3_ACCESS_KEY"),
  "iceberg.catalog.s3.secret-access-key": worker("FLOE_S3_SECRET_KEY"),

  // Longer than the 60 seconds after which the metastore drops a killed worker's lock.
  "iceberg.hadoop.iceberg.hive.lock-heartbeat-interval-ms": "20000",
  "iceberg.hadoop.iceberg.hive.lock-timeout-ms": "90000",
  "iceberg.hadoop.iceberg.hive.lock-creation-timeout-ms": "90000",

  "consumer.override.auto.offset.reset": "earliest",
  // When added partitions are noticed; the default is 5 minutes.
  "consumer.override.metadata.max.age.ms": "30000",
  // Waits for the offsets of an unfinished transaction; otherwise its records would be read twice.
  "consumer.override.isolation.level": "read_committed",
  // When another worker takes a killed worker's place; the default is 45 seconds.
  "consumer.override.session.timeout.ms": "10000",
  "consumer.override.heartbeat.interval.ms": "2000"
})

/** The settings of weather's connector. */
export const config = (settings: SinkSettings): ConnectorConfig =>
  connectorOf(weather, settings, {
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
    transforms: "weather",
    "transforms.weather.type": "floe.connect.RequireWeather"
  })

/** The settings of another stream's connector. `history` has every version of the stream, oldest first. */
const streamConfig = (settings: SinkSettings, stream: string, history: ReadonlyArray<AppliedStream>) =>
  connectorOf(stream, settings, {
    // The transform reads the bytes, because JsonConverter would have lost what tells a canonical event from another one.
    "value.converter": bytes,
    // The sink needs no headers. SimpleHeaderConverter would parse each, and log a stack trace for one that it cannot read.
    "header.converter": bytes,
    transforms: "record",
    "transforms.record.type": "floe.connect.RequireRecord",
    "transforms.record.columns": JSON.stringify(recordColumns(history)),
    // Trino creates columns in lower case; a name that differed would be an unknown field, whose value the sink drops.
    "iceberg.tables.schema-case-insensitive": "true"
  })

/** `history` has every version of the stream, oldest first; none is weather. `names` has the topics in use. */
export const configOf = (
  settings: SinkSettings,
  names: TopicNames,
  history: ReadonlyArray<AppliedStream>
): ConnectorConfig => {
  const stream = history.at(-1)?.definition.name ?? weather
  return stream === weather
    ? config(settings)
    : streamConfig({ ...settings, topic: names.ofStream(stream) }, stream, history)
}
