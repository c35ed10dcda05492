/** Compares an existing topic with the wanted one. */
import type { TopicRetention, WantedTopic } from "../../../services/Topics.ts"
import { plural } from "../../runtime/plural.ts"
import type { Described } from "./Cluster.ts"

/** Nothing in the log may expire. */
const unlimitedRetention = { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" }

/** Whoever reads the topic from its start also reads what is not compacted yet, and the segment that is written. */
const compaction = {
  "segment.bytes": String(16 * 1024 * 1024),
  "segment.ms": String(3_600_000),
  "min.cleanable.dirty.ratio": "0.2"
}

const retentionOf = ({ isCompacted = false }: WantedTopic) =>
  isCompacted ? { ...unlimitedRetention, "cleanup.policy": "compact" } : unlimitedRetention

/** The settings of a topic that is created. */
export const configOf = (wanted: WantedTopic): Record<string, string> => ({
  ...retentionOf(wanted),
  // The time of acceptance, which copies and rows keep.
  "message.timestamp.type": "CreateTime",
  ...(wanted.isCompacted ? compaction : {}),
  ...(wanted.maxRecord === undefined ? {} : { "max.message.bytes": String(wanted.maxRecord) })
})

const differing = (wanted: ReturnType<typeof retentionOf>, { millis, bytes, cleanup }: TopicRetention) =>
  (
    [
      ["cleanup.policy", cleanup],
      ["retention.ms", String(millis ?? -1)],
      ["retention.bytes", String(bytes ?? -1)]
    ] as const
  )
    .filter(([name, value]) => value !== wanted[name])
    .map(([name, value]) => ({ is: `${name}=${value}`, wanted: `${name}=${wanted[name]}` }))

/** One sentence per difference, with the fix. `retention` is undefined if the topic was deleted meanwhile. */
export const differencesOf = (
  wanted: WantedTopic,
  actual: Described,
  starts: ReadonlyArray<number>,
  retention: TopicRetention | undefined,
  brokers: string
) => {
  const { name, partitions, replication } = wanted
  const there = actual.partitions.length
  const replicas = Math.min(...actual.partitions.map((partition) => partition.replicas))
  const altering = (tool: string) => `${tool} --bootstrap-server ${brokers} --alter --topic ${name}`
  const differences: Array<string> = []
  if (there < partitions) {
    differences.push(
      `The topic ${name} has ${plural(there, "partition")}, not ${partitions}; ${altering("kafka-topics")} --partitions ${partitions} adds them, but changes the partition of existing keys.`
    )
  }
  if (there > partitions) {
    differences.push(
      `The topic ${name} has ${plural(there, "partition")}, not ${partitions}; Kafka cannot remove partitions.`
    )
  }
  if (replicas !== replication) {
    differences.push(
      `The topic ${name} has ${plural(replicas, "replica")}, not ${replication}; kafka-reassign-partitions changes that.`
    )
  }
  const settings = retention === undefined ? [] : differing(retentionOf(wanted), retention)
  if (settings.length > 0) {
    const list = (of: "is" | "wanted") => settings.map((setting) => setting[of]).join(",")
    differences.push(
      `The topic ${name} ${wanted.isCompacted ? "is not kept as it must be" : "does not keep its records forever"} (${list("is")}); ${altering("kafka-configs")} --add-config ${list("wanted")} fixes that.`
    )
  }
  const cut = wanted.isCompacted ? -1 : starts.findIndex((start) => start > 0)
  if (cut >= 0) {
    differences.push(
      `The topic ${name} begins at offset ${starts[cut]} of partition ${cut}: earlier events have expired or were deleted and cannot be recovered.`
    )
  }
  return differences
}
