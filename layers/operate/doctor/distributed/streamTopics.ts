/** Check of the topics of a stream beside weather. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { DeadLetters } from "../../../../services/DeadLetters.ts"
import type { AppliedStream } from "../../../../services/StreamDefinition.ts"
import { controlTopicOf, deadLettersOf, type TopicDescription, Topics } from "../../../../services/Topics.ts"
import { plural } from "../../../runtime/plural.ts"
import { expiring } from "./topics.ts"

const consequences = (topic: string, stream: string): Readonly<Record<string, string>> => ({
  [topic]: "Its events cannot be logged, and none reaches its table.",
  [deadLettersOf(topic)]: "A record that the sink rejects stops it instead of being stored there.",
  [controlTopicOf(stream)]: "The sink cannot coordinate a commit: nothing reaches the table."
})

const missing = (topic: string, stream: string, name: string): Finding => ({
  finding: `There is no topic ${name}.`,
  consequence: consequences(topic, stream)[name] ?? "",
  fix: "`floe streams apply` creates it again, empty. What it held is gone, unless the volumes of Kafka are restored from a copy."
})

const manyControls = (name: string, count: number): Finding => ({
  finding: `The topic ${name} has ${plural(count, "partition")}, but should have 1.`,
  consequence: "The messages of the sink's tasks arrive out of order: it may commit without some of the files.",
  fix: `\`floe connector delete iceberg-sink-${name.replace(/^control-iceberg-/, "")}\`, \`docker exec kafka kafka-topics --bootstrap-server localhost:9092 --delete --topic ${name}\` and \`floe streams apply\` recreate it with one.`
})

/** Kafka gives the events of a key to a partition by the number of partitions. */
const added = (
  { definition: { key } }: AppliedStream,
  topic: string,
  count: number,
  wanted: number
): ReadonlyArray<Finding> =>
  key === null || count <= wanted
    ? []
    : [
        {
          finding: `The topic ${topic} has ${plural(count, "partition")}, but FLOE_PARTITIONS is ${wanted}.`,
          consequence: `If partitions were added after its first event, events of one ${key} are in several partitions, and their order is not kept.`,
          fix: "If it was created with so many, set FLOE_PARTITIONS to that number. Otherwise declare a new stream.",
          warning: true
        }
      ]

/** Each record of the topic is read. */
const countLimit = "5 seconds"

/** The dead letters that nobody sent again; undefined if they cannot be counted in time. */
const waitingOf = (stream: string) =>
  Effect.flatMap(DeadLetters, ({ now }) => now(stream, () => Effect.void)).pipe(
    Effect.map(({ waiting }): number | undefined => waiting),
    Effect.timeout(countLimit),
    Effect.orElseSucceed(() => undefined)
  )

const rejected = Effect.fnUntraced(function* (stream: string, { name: topic, partitions }: TopicDescription) {
  if (partitions.every(({ start, end }) => start === end)) return []
  const waiting = yield* waitingOf(stream)
  if (waiting === 0) return []
  const finding: Finding = {
    finding:
      waiting === undefined
        ? `The topic ${topic} has dead letters, too many to count in ${countLimit} how many were sent again.`
        : `The topic ${topic} has ${plural(waiting, "dead letter")} that nobody sent again.`,
    consequence:
      waiting === undefined ? "They are not in the table, unless they were sent again." : "They are not in the table.",
    fix: `\`floe dlq list --stream ${stream}\` shows why; \`floe dlq redrive --stream ${stream}\` sends them again, corrected.`,
    warning: true
  }
  return [finding]
})

/** That they exist, that nothing expires, how they are partitioned, and whether there are dead letters. */
export const topicsOf = (applied: AppliedStream, topic: string, partitions: number) => {
  const { name } = applied.definition
  const names = [topic, deadLettersOf(topic), controlTopicOf(name)] as const
  return {
    name: `topics of ${name}`,
    ok: `The topics ${names.join(", ")} exist, no record in them expires, and every dead letter was sent again.`,
    needs: ["kafka"],
    run: Effect.gen(function* () {
      const topics = yield* Topics
      const [described, retained] = yield* Effect.all(
        [
          Effect.forEach(names, topics.describe, { concurrency: "unbounded" }),
          Effect.forEach(names, topics.retention, { concurrency: "unbounded" })
        ],
        { concurrency: 2 }
      )
      const [log, dead, control] = described.map(Option.getOrUndefined)
      const lost = [
        "Events vanish from the log, which is the only source of truth.",
        "Records that the sink rejected vanish before somebody corrects them.",
        "After a pause the sink misses files that it has written, and their rows."
      ]
      return [
        ...names.flatMap((one, i) => (Option.isNone(described[i] ?? Option.none()) ? [missing(topic, name, one)] : [])),
        ...names.flatMap((one, i) =>
          Option.match(retained[i] ?? Option.none(), {
            onNone: () => [],
            onSome: (limits) => expiring(one, limits, lost[i] ?? "")
          })
        ),
        ...(log === undefined ? [] : added(applied, topic, log.partitions.length, partitions)),
        ...(dead === undefined ? [] : yield* rejected(name, dead)),
        ...(control !== undefined && control.partitions.length > 1
          ? [manyControls(names[2], control.partitions.length)]
          : [])
      ]
    })
  }
}
