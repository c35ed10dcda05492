/** Checks of the topics: that they are there and nothing in them expires. */
import { Effect, Option } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import type { TableReader } from "../../../../services/TableReader.ts"
import {
  control,
  coordinator,
  deadLettersOf,
  type TopicDescription,
  type TopicRetention,
  type Topics
} from "../../../../services/Topics.ts"
import { plural } from "../../../runtime/plural.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

const kafkas = (tool: string) => `docker exec kafka ${tool} --bootstrap-server localhost:9092`

const days = (millis: number) =>
  millis < 86_400_000
    ? `${Math.round(millis / 1000).toLocaleString("en-US")} s`
    : `${Math.round(millis / 86_400_000)} days`

/** `lost` is what it leads to when something expires. */
const expiring = (name: string, { millis, bytes, cleanup }: TopicRetention, lost: string): ReadonlyArray<Finding> => {
  const limits = [
    ...(millis === null ? [] : [`for ${days(millis)} (retention.ms=${millis})`]),
    ...(bytes === null ? [] : [`up to ${bytes.toLocaleString("en-US")} bytes (retention.bytes=${bytes})`]),
    ...(cleanup === "delete" ? [] : [`by key alone (cleanup.policy=${cleanup})`])
  ]
  if (limits.length === 0) return []
  const fix = `${kafkas("kafka-configs")} --alter --entity-type topics --entity-name ${name} --add-config retention.ms=-1,retention.bytes=-1,cleanup.policy=delete`
  return [{ finding: `The topic ${name} keeps what is in it ${limits.join(" and ")}.`, consequence: lost, fix }]
}

const missing = (name: string): Finding => ({
  finding: `There is no topic ${name}.`,
  consequence:
    name === control
      ? "The sink cannot agree on a commit: nothing comes into the table."
      : name.endsWith("-dlq")
        ? "What the sink cannot take stops it, instead of being put aside."
        : "No event can be logged, and none comes into the table.",
  fix: "floe topics create"
})

const unread = (start: number, read: number, { plain }: RebuildAdvice): Finding => ({
  finding: `The topic ${control} begins at offset ${start}, and the sink has read it up to ${read} only.`,
  consequence: "Files that were named in between may never come into the table, and their rows with them.",
  fix: plain
})

/** Once the table has no more rows than the topic, nothing is left to compare with what is gone. */
const cut = (
  { name, partitions }: TopicDescription,
  rows: number,
  { keeping }: RebuildAdvice
): ReadonlyArray<Finding> => {
  if (rows <= partitions.reduce((sum, { start, end }) => sum + end - start, 0)) return []
  return partitions
    .filter(({ start }) => start > 0)
    .map(({ partition, start }) => ({
      finding: `The topic ${name} begins at offset ${start} of partition ${partition}: what was before has expired or was deleted.`,
      consequence: "What of it is in the table stays there, and cannot be compared any more, or made anew.",
      fix: `Put the volumes kafka, zookeeper-data and zookeeper-log back from a copy that has it. Where there is none: ${keeping}`
    }))
}

interface Wanted {
  readonly name: string
  readonly partitions: number
}

const differing = (
  { name, partitions }: Wanted,
  found: TopicDescription,
  { plain }: RebuildAdvice
): ReadonlyArray<Finding> => {
  const count = found.partitions.length
  const finding = `The topic ${name} has ${plural(count, "partition")}, and should have ${partitions}.`
  if (name === control && count > 1) {
    return [
      {
        finding,
        consequence: "What the sink's tasks say comes out of order: it may commit without some of the files.",
        fix: `\`floe connector delete\`, \`${kafkas("kafka-topics")} --delete --topic ${name}\`, \`floe topics create\` and \`floe connector register\` make it with one. Then ${plain}`
      }
    ]
  }
  if (count >= partitions) return []
  return [
    {
      finding,
      consequence: "Fewer servers and tasks share the work than was meant.",
      fix: `${kafkas("kafka-topics")} --alter --topic ${name} --partitions ${partitions}`
    }
  ]
}

export const topics = (
  topics: Topics["Service"],
  name: string,
  partitions: number,
  anew: Effect.Effect<RebuildAdvice>
): Check => {
  const wanted = [
    { name, partitions },
    { name: deadLettersOf(name), partitions: 1 },
    { name: control, partitions: 1 }
  ]
  return {
    name: "topics",
    ok: `The topics ${wanted.map(({ name }) => name).join(", ")} are there, with their partitions.`,
    needs: ["kafka"],
    run: Effect.gen(function* () {
      const found = yield* Effect.forEach(wanted, ({ name }) => topics.describe(name), { concurrency: 3 })
      const advice = yield* anew
      return wanted.flatMap((one, i) =>
        Option.match(found[i] ?? Option.none(), {
          onNone: () => [missing(one.name)],
          onSome: (topic) => differing(one, topic, advice)
        })
      )
    })
  }
}

/** That nothing was ever lost from the log, and from what the sink's tasks tell each other, or will be. */
export const retention = (
  topics: Topics["Service"],
  groups: ConsumerGroups["Service"],
  table: TableReader["Service"],
  name: string,
  anew: Effect.Effect<RebuildAdvice>
): Check => ({
  name: "retention",
  ok: `Nothing in the topics ${name} and ${control} expires, or has expired before it was needed.`,
  needs: ["kafka", "topics"],
  run: Effect.gen(function* () {
    const [ofLog, ofControl, log, sinks, group] = yield* Effect.all(
      [
        topics.retention(name),
        topics.retention(control),
        topics.describe(name),
        topics.describe(control),
        groups.find(coordinator)
      ],
      { concurrency: "unbounded" }
    )
    const lost = "Events vanish from the log, which is the only truth there is."
    const missed = "After a pause the sink misses files that it has written, and their rows."
    const read = Option.getOrUndefined(group)?.offsets.find((_) => _.topic === control && _.partition === 0)?.offset
    const start = Option.getOrUndefined(sinks)?.partitions[0]?.start ?? 0
    const advice = yield* anew
    // Without Trino nobody knows, and it may be all of them.
    const rows = yield* Effect.match(table.current, {
      onFailure: () => Number.POSITIVE_INFINITY,
      onSuccess: (current) => Option.getOrUndefined(current)?.rows ?? 0
    })
    return [
      ...Option.match(ofLog, { onNone: () => [], onSome: (found) => expiring(name, found, lost) }),
      ...Option.match(ofControl, { onNone: () => [], onSome: (found) => expiring(control, found, missed) }),
      ...Option.match(log, { onNone: () => [], onSome: (topic) => cut(topic, rows, advice) }),
      ...(read === undefined || read >= start ? [] : [unread(start, read, advice)])
    ]
  })
})
