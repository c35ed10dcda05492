/** The connector that brings the log into a table that is made beside `default.weather`: its names, its settings. */
import type { ConnectorConfig } from "../../../services/Connector.ts"

/** All by the table's name, so that an interrupted replay is found again. A table's name has no hyphen. */
export const namesOf = (table: string) => ({
  table,
  connector: `replay-${table}`,
  group: `connect-replay-${table}`,
  coordinator: `connect-replay-${table}-coord`,
  control: `control-replay-${table}`
})
export type Names = ReturnType<typeof namesOf>

/** The table that a connector of this name replays into; none if it is another one. */
export const tableOf = (connector: string) => /^replay-(\w+)$/.exec(connector)?.slice(1) ?? []

/** Its end is known only after a commit. */
const commitInterval = "5000"

/** As the sink of `default.weather` is set, into this table. */
export const configOf = (sink: ConnectorConfig, { connector, control, table }: Names): ConnectorConfig => ({
  ...sink,
  name: connector,
  "tasks.max": "1",
  "iceberg.tables": `default.${table}`,
  "iceberg.control.topic": control,
  "iceberg.control.commit.interval-ms": commitInterval,
  // What cannot be taken is among the sink's dead letters already.
  "errors.deadletterqueue.topic.name": "",
  "errors.log.enable": "false"
})
