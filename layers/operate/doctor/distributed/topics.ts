/** Checks of the topics: they exist, and nothing in them expires. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import { TableReader } from "../../../../services/TableReader.ts"
import {
  controlTopic,
  coordinator,
  deadLettersOf,
  type TopicDescription,
  type TopicRetention,
  Topics
} from "../../../../services/Topics.ts"
import { plural } from "../../../runtime/plural.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

const kafkas = (tool: string) => `docker exec kafka ${tool} --bootstrap-server localhost:9092`

const days = (millis: number) =>
  millis < 86_400_000
    ? `${Math.round(millis / 1000).toLocaleString("en-US")} s`
    : `${Math.round(millis / 86_400_000)} days`

/** `consequence`: what it leads to when something expires. */
export const expiring = (
  name: string,
  { millis, bytes, cleanup }: TopicRetention,
  consequence: string
): ReadonlyArray<Finding> => {
  const limits = [
    ...(millis === null ? [] : [`for ${days(millis)} (retention.ms=${millis})`]),
    ...(bytes === null ? [] : [`up to ${bytes.toLocaleString("en-US")} bytes (retention.bytes=${bytes})`]),
    ...(cleanup === "delete" ? [] : [`by key (cleanup.policy=${cleanup})`])
  ]
  if (limits.length === 0) return []
  const fix = `${kafkas("kafka-configs")} --alter --entity-type topics --entity-name ${name} --add-config retention.ms=-1,retention.bytes=-1,cleanup.policy=delete`
  return [{ finding: `The topic ${name} keeps its records only ${limits.join(" and ")}.`, consequence, fix }]
}

const missing = (name: string): Finding => ({
  finding: `There is no topic ${name}.`,
  consequence:
    name === controlTopic
      ? "The sink cannot coordinate a commit: nothing reaches the table."
      : name.endsWith("-dlq")
        ? "A record that the sink rejects stops it instead of being stored there."
        : "No event can be logged, and none reaches the table.",
  fix: "floe topics create"
})

const unread = (start: number, read: number, { plain }: RebuildAdvice): Finding => ({
  finding: `The topic ${controlTopic} begins at offset ${start}, and the sink has read it only up to ${read}.`,
  consequence: "Files announced in between, and their rows, may never reach the table.",
  fix: plain
})

/** Nothing is lost once the table has no more rows than the topic. */
const cut = (
  { name, partitions }: TopicDescription,
  rows: number,
  { keeping }: RebuildAdvice
): ReadonlyArray<Finding> => {
  if (rows <= partitions.reduce((sum, { start, end }) => sum + end - start, 0)) return []
  return partitions
    .filter(({ start }) => start > 0)
    .map(({ partition, start }) => ({
      finding: `The topic ${name} begins at offset ${start} of partition ${partition}: earlier events have expired or were deleted.`,
      consequence: "Their rows stay in the table, but can no longer be verified or rebuilt.",
      fix: `Restore the volumes kafka, zookeeper-data and zookeeper-log from a copy that has them. If there is none: ${keeping}`
    }))
}

interface Wanted {
  readonly name: string
  readonly partitions: number
}

const differing = (
  { name, partitions }: Wanted,
  topic: TopicDescription,
  { plain }: RebuildAdvice
): ReadonlyArray<Finding> => {
  const count = topic.partitions.length
  const finding = `The topic ${name} has ${plural(count, "partition")}, but should have ${partitions}.`
  if (name === controlTopic && count > 1) {
    return [
      {
        finding,
        consequence: "The messages of the sink's tasks arrive out of order: it may commit without some of the files.",
        fix: `\`floe connector delete\`, \`${kafkas("kafka-topics")} --delete --topic ${name}\`, \`floe topics create\` and \`floe connector register\` recreate it with one. Then ${plain}`
      }
    ]
  }
  if (count >= partitions) return []
  return [
    {
      finding,
      consequence: "Fewer servers and tasks share the work than intended.",
      fix: `${kafkas("kafka-topics")} --alter --topic ${name} --partitions ${partitions}`
    }
  ]
}

export const topics = (name: string, partitions: number, advice: Effect.Effect<RebuildAdvice>) => {
  const wanted = [
    { name, partitions },
    { name: deadLettersOf(name), partitions: 1 },
    { name: controlTopic, partitions: 1 }
  ]
  return {
    name: "topics",
    ok: `The topics ${wanted.map(({ name }) => name).join(", ")} exist, with the expected partitions.`,
    needs: ["kafka"],
    run: Effect.gen(function* () {
      const { describe } = yield* Topics
      const topics = yield* Effect.forEach(wanted, ({ name }) => describe(name), { concurrency: 3 })
      const rebuild = yield* advice
      return wanted.flatMap((one, i) =>
        Option.match(topics[i] ?? Option.none(), {
          onNone: () => [missing(one.name)],
          onSome: (topic) => differing(one, topic, rebuild)
        })
      )
    })
  }
}

/** That nothing was lost or will be lost from the log, or from the control topic. */
export const retention = (name: string, advice: Effect.Effect<RebuildAdvice>) => ({
  name: "retention",
  ok: `No record in the topics ${name} and ${controlTopic} expires, and none has expired before it was needed.`,
  needs: ["kafka", "topics"],
  run: Effect.gen(function* () {
    const topics = yield* Topics
    const [ofLog, ofControl, log, sinks, group] = yield* Effect.all(
      [
        topics.retention(name),
        topics.retention(controlTopic),
        topics.describe(name),
        topics.describe(controlTopic),
        (yield* ConsumerGroups).find(coordinator)
      ],
      { concurrency: "unbounded" }
    )
    const lost = "Events vanish from the log, which is the only source of truth."
    const missed = "After a pause the sink misses files that it has written, and their rows."
    const read = Option.getOrUndefined(group)?.offsets.find(
      (_) => _.topic === controlTopic && _.partition === 0
    )?.offset
    const start = Option.getOrUndefined(sinks)?.partitions[0]?.start ?? 0
    const rebuild = yield* advice
    // Without Trino it is not known, and may be all of them.
    const rows = yield* Effect.match((yield* TableReader).current, {
      onFailure: () => Number.POSITIVE_INFINITY,
      onSuccess: (current) => Option.getOrUndefined(current)?.rows ?? 0
    })
    return [
      ...Option.match(ofLog, { onNone: () => [], onSome: (limits) => expiring(name, limits, lost) }),
      ...Option.match(ofControl, { onNone: () => [], onSome: (limits) => expiring(controlTopic, limits, missed) }),
      ...Option.match(log, { onNone: () => [], onSome: (topic) => cut(topic, rows, rebuild) }),
      ...(read === undefined || read >= start ? [] : [unread(start, read, rebuild)])
    ]
  })
})
