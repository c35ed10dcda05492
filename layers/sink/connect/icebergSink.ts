/** The connector that brings the topic into the table: its settings, for Kafka Connect. */
import { Config, Duration } from "effect"
import type { ConnectorConfig } from "../../../services/Connector.ts"
import { commitInterval, replication, topic } from "../../../services/Settings.ts"
import { control, deadLettersOf } from "../../../services/Topics.ts"

export interface SinkSettings {
  readonly topic: string
  readonly commitInterval: Duration.Input
  /** Copies of the topic of refused messages. */
  readonly replication: number
}

export const settings: Config.Config<SinkSettings> = Config.all({ topic, commitInterval, replication })

/** A variable of the worker's environment: addresses and secrets are not kept in Kafka Connect. */
const worker = (variable: string) => `\${env:${variable}}`

export const config = ({ topic, commitInterval, replication }: SinkSettings): ConnectorConfig => ({
  "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
  "tasks.max": "1",
  topics: topic,

  "key.converter": "org.apache.kafka.connect.storage.StringConverter",
  "value.converter": "org.apache.kafka.connect.json.JsonConverter",
  "value.converter.schemas.enable": "false",
  transforms: "weather",
  "transforms.weather.type": "floe.connect.RequireWeather",

  // What is no record of the table goes to a topic of its own, with the reason in its headers.
  "errors.tolerance": "all",
  "errors.deadletterqueue.topic.name": deadLettersOf(topic),
  "errors.deadletterqueue.topic.replication.factor": String(replication),
  "errors.deadletterqueue.context.headers.enable": "true",
  "errors.log.enable": "true",
  "errors.log.include.messages": "false",

  "iceberg.tables": "default.weather",
  "iceberg.tables.auto-create-enabled": "false",
  "iceberg.tables.evolve-schema-enabled": "false",
  "iceberg.control.topic": control,
  "iceberg.control.commit.interval-ms": String(Math.ceil(Duration.toMillis(commitInterval))),
  // The worker that the first record makes misses the commit already announced, so nothing is committed before this.
  "iceberg.control.commit.timeout-ms": "5000",
  // Not `iceberg.kafka.auto.offset.reset=earliest`: at each start the sink would answer every commit that was ever
  // announced, after some days for longer than its consumer may be away. `floe topics create` gives its coordinator an
  // offset to begin at.
  "iceberg.kafka.session.timeout.ms": "10000",
  "iceberg.kafka.heartbeat.interval.ms": "2000",
  // A transaction that a killed sink left open holds up the control topic for so long, and not for Kafka's 60 seconds.
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

  // A lock that a killed worker left behind is given up by the metastore after 60 seconds; waiting is longer than that.
  "iceberg.hadoop.iceberg.hive.lock-heartbeat-interval-ms": "20000",
  "iceberg.hadoop.iceberg.hive.lock-timeout-ms": "90000",
  "iceberg.hadoop.iceberg.hive.lock-creation-timeout-ms": "90000",

  "consumer.override.auto.offset.reset": "earliest",
  // Partitions that are added to the topic are read after this, and not after 5 minutes.
  "consumer.override.metadata.max.age.ms": "30000",
  // Offsets of a transaction whose end is not written yet are waited for; else its records would be read twice.
  "consumer.override.isolation.level": "read_committed",
  // A killed worker's place is taken after this, and not after the 45 seconds of Kafka's default.
  "consumer.override.session.timeout.ms": "10000",
  "consumer.override.heartbeat.interval.ms": "2000"
})
