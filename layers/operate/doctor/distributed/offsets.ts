/**
 * Check that Kafka has reached every offset that the table's snapshots name. If Kafka was wiped and the table kept, the
 * sink assumes that its new files are already committed.
 */
import { Effect, Option, Predicate, Schema, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { sinkConnector } from "../../../../services/Connector.ts"
import { Query } from "../../../../services/Query.ts"
import { TableReader } from "../../../../services/TableReader.ts"
import { controlTopic, Topics } from "../../../../services/Topics.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

/** The snapshot property in which the sink keeps how far it has read its control topic. */
const property = `kafka.connect.offsets.${controlTopic}.connect-${sinkConnector}`
const newest = `SELECT element_at(summary, '${property}') FROM iceberg.default."weather$snapshots"
  WHERE element_at(summary, '${property}') IS NOT NULL ORDER BY committed_at DESC LIMIT 1`

const Offsets = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Int))

const committedTo = Effect.gen(function* () {
  const { rows } = yield* (yield* Query).execute(newest)
  const [[value] = []] = yield* Stream.runCollect(rows)
  return Predicate.isString(value) ? (yield* Schema.decodeUnknownEffect(Offsets)(value))["0"] : undefined
}).pipe(Effect.scoped)

export const offsets = (topic: string, advice: Effect.Effect<RebuildAdvice>) => ({
  name: "offsets",
  ok: "Kafka has reached every offset that the table's snapshots name.",
  needs: ["topics", "table", "origin"],
  run: Effect.gen(function* () {
    const topics = yield* Topics
    const [committed, current] = yield* Effect.all([committedTo, (yield* TableReader).current], { concurrency: 2 })
    // Kafka is asked after the table: its offsets only grow.
    const [ofControl, ofLog] = yield* Effect.all([topics.describe(controlTopic), topics.describe(topic)])
    const end = Option.getOrUndefined(ofControl)?.partitions[0]?.end ?? 0
    const findings: Array<Finding> = []
    if (committed !== undefined && committed > end) {
      findings.push({
        finding: `The table's newest snapshot is at offset ${committed} of the topic ${controlTopic}, which ends at ${end}: Kafka was wiped or restored, and the table was not.`,
        consequence: "The sink assumes that its new files are already committed, and silently commits nothing.",
        fix: (yield* advice).plain
      })
    }
    for (const { partition, offset } of Option.getOrUndefined(current)?.log?.positions ?? []) {
      const end = Option.getOrUndefined(ofLog)?.partitions.find((_) => _.partition === partition)?.end ?? 0
      if (offset <= end) continue
      findings.push({
        finding: `The table holds partition ${partition} of the topic ${topic} up to offset ${offset}, and the topic ends at ${end}: it was recreated or restored.`,
        consequence: "The topic is not the one that the table was built from, so it can neither verify nor rebuild it.",
        fix: (yield* advice).keeping
      })
    }
    return findings
  })
})
