/**
 * Check of what the table's snapshots say of Kafka: no offset that Kafka has not reached. Where Kafka was wiped and the
 * table kept, the sink takes every file for one that is committed already.
 */

import { Effect, Option, Predicate, Schema, Stream } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import { sinkConnector } from "../../../../services/Connector.ts"
import type { Query } from "../../../../services/Query.ts"
import type { TableReader } from "../../../../services/TableReader.ts"
import { control, type Topics } from "../../../../services/Topics.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

/** The property of a snapshot in which the sink keeps how far it had read its control topic. */
const property = `kafka.connect.offsets.${control}.connect-${sinkConnector}`
const newest = `SELECT element_at(summary, '${property}') FROM iceberg.default."weather$snapshots"
  WHERE element_at(summary, '${property}') IS NOT NULL ORDER BY committed_at DESC LIMIT 1`

const Offsets = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Int))

const committedTo = Effect.fnUntraced(function* (query: Query["Service"]) {
  const { rows } = yield* query.execute(newest)
  const [[value] = []] = yield* Stream.runCollect(rows)
  return Predicate.isString(value) ? (yield* Schema.decodeUnknownEffect(Offsets)(value))["0"] : undefined
}, Effect.scoped)

export const offsets = (
  query: Query["Service"],
  topics: Topics["Service"],
  table: TableReader["Service"],
  topic: string,
  anew: Effect.Effect<RebuildAdvice>
): Check => ({
  name: "offsets",
  ok: "The table's snapshots name no offset that Kafka has not reached.",
  needs: ["topics", "table", "origin"],
  run: Effect.gen(function* () {
    const [committed, current] = yield* Effect.all([committedTo(query), table.current], { concurrency: 2 })
    // What Kafka has is asked for after what the table has: it only grows.
    const [ofControl, ofLog] = yield* Effect.all([topics.describe(control), topics.describe(topic)])
    const end = Option.getOrUndefined(ofControl)?.partitions[0]?.end ?? 0
    const findings: Array<Finding> = []
    if (committed !== undefined && committed > end) {
      findings.push({
        finding: `The table's newest snapshot is at offset ${committed} of the topic ${control}, which ends at ${end}: Kafka was wiped or put back, and the table was not.`,
        consequence: "The sink takes what it writes for committed already, and commits nothing, in silence.",
        fix: (yield* anew).plain
      })
    }
    for (const { partition, offset } of Option.getOrUndefined(current)?.log?.positions ?? []) {
      const end = Option.getOrUndefined(ofLog)?.partitions.find((_) => _.partition === partition)?.end ?? 0
      if (offset <= end) continue
      findings.push({
        finding: `The table holds partition ${partition} of the topic ${topic} up to offset ${offset}, and the topic ends at ${end}: it was made anew, or put back.`,
        consequence: "The topic is not the one that the table was made from: nothing can be compared or made anew.",
        fix: (yield* anew).keeping
      })
    }
    return findings
  })
})
