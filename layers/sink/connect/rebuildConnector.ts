/** Names and settings of the connector that rebuilds a table beside `default.weather`. */
import type { ConnectorConfig } from "../../../services/Connector.ts"
import { deadLettersOf } from "../../../services/Topics.ts"

/** Part of durable names, so it keeps the old word. */
const prefix = "replay-"

/** Names derived from the table's name, so that an interrupted rebuild continues. A table name has no hyphen. */
export const namesOf = (table: string) => ({
  table,
  connector: `${prefix}${table}`,
  group: `connect-${prefix}${table}`,
  coordinator: `connect-${prefix}${table}-coord`,
  controlTopic: `control-${prefix}${table}`
})
export type Names = ReturnType<typeof namesOf>

/** The table that a connector of this name rebuilds; empty for any other connector. */
export const tableOf = (connector: string) =>
  (connector.startsWith(prefix) ? [connector.slice(prefix.length)] : []).filter((table) => /^\w+$/.test(table))

/** Short, because the end of the rebuild shows only after a commit. */
const commitInterval = "5000"

/** The settings of the sink of `default.weather`, with this table as the target. */
export const configOf = (
  sink: ConnectorConfig,
  topic: string,
  { connector, controlTopic, table }: Names
): ConnectorConfig => ({
  ...sink,
  name: connector,
  topics: topic,
  "tasks.max": "1",
  "iceberg.tables": `default.${table}`,
  "iceberg.control.topic": controlTopic,
  "iceberg.control.commit.interval-ms": commitInterval,
  // What the connector rejects is already among the sink's dead letters, unless the sink reads another topic.
  "errors.deadletterqueue.topic.name": sink.topics === topic ? "" : deadLettersOf(topic),
  "errors.log.enable": "false"
})
