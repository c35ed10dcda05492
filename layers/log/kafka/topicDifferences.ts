/** In what a topic that is there differs from the one that is wanted, and what to do. */

import type { TopicRetention, WantedTopic } from "../../../services/Topics.ts"
import { plural } from "../../runtime/plural.ts"
import type { Described } from "./Cluster.ts"

/** The log is the truth: nothing in it may expire. */
export const forEver = { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" }

/** The settings by which records of a topic go: as they are, and as they should be. */
const expiring = ({ millis, bytes, cleanup }: TopicRetention) =>
  (
    [
      ["cleanup.policy", cleanup],
      ["retention.ms", String(millis ?? -1)],
      ["retention.bytes", String(bytes ?? -1)]
    ] as const
  )
    .filter(([name, value]) => value !== forEver[name])
    .map(([name, value]) => ({ is: `${name}=${value}`, wanted: `${name}=${forEver[name]}` }))

/** A topic that went while it was looked at has no retention. */
export const differencesOf = (
  wanted: WantedTopic,
  found: Described,
  starts: ReadonlyArray<number>,
  retention: TopicRetention | undefined,
  brokers: string
) => {
  const { name, partitions, replication } = wanted
  const there = found.partitions.length
  const replicas = Math.min(...found.partitions.map((partition) => partition.replicas))
  const altering = (tool: string) => `${tool} --bootstrap-server ${brokers} --alter --topic ${name}`
  const differences: Array<string> = []
  if (there < partitions) {
    differences.push(
      `The topic ${name} has ${plural(there, "partition")}, not ${partitions}; ${altering("kafka-topics")} --partitions ${partitions} adds them, after which keys go to other partitions.`
    )
  }
  if (there > partitions) {
    differences.push(
      `The topic ${name} has ${plural(there, "partition")}, not ${partitions}; Kafka cannot take partitions away.`
    )
  }
  if (replicas !== replication) {
    differences.push(
      `The topic ${name} has ${plural(replicas, "replica")}, not ${replication}; kafka-reassign-partitions changes that.`
    )
  }
  const settings = retention === undefined ? [] : expiring(retention)
  if (settings.length > 0) {
    const list = (of: "is" | "wanted") => settings.map((setting) => setting[of]).join(",")
    differences.push(
      `The topic ${name} does not keep its records for ever (${list("is")}); ${altering("kafka-configs")} --add-config ${list("wanted")} mends that.`
    )
  }
  const cut = starts.findIndex((start) => start > 0)
  if (cut >= 0) {
    differences.push(
      `The topic ${name} begins at offset ${starts[cut]} of partition ${cut}: what was before has expired or was deleted, and nothing brings it back.`
    )
  }
  return differences
}
