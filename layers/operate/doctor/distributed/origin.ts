/** Check that the table was built from the current topic. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { judge } from "../../../sink/connect/TableOrigin.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

const consequence =
  "The table's rows from the deleted topic are no longer in any log, so nothing can verify or rebuild them."

export const origin = (topic: string, advice: Effect.Effect<RebuildAdvice>) => ({
  name: "origin",
  ok: `The table default.weather was built from the current topic ${topic}.`,
  needs: ["topics", "table"],
  run: Effect.gen(function* () {
    const origin = Option.getOrUndefined(yield* judge(topic))
    if (origin === undefined || origin._tag === "SameTopic") return []
    const { keeping } = yield* advice
    const findings: ReadonlyArray<Finding> =
      origin._tag === "OtherTopic"
        ? [
            {
              finding: `The topic ${topic} (id ${origin.topicId}) is not the one that the table was built from (id ${origin.tableTopicId}), which was deleted.`,
              consequence,
              fix: `Restore Kafka's volumes from a copy that has it. If there is none: ${keeping}`
            }
          ]
        : origin.agrees
          ? [
              {
                finding: "The table default.weather does not record the topic that it was built from.",
                consequence: "If the topic were deleted and recreated, nothing would detect it.",
                fix: "floe table create"
              }
            ]
          : [
              {
                finding: `The table default.weather does not record its topic, and its rows (${origin.rows.toLocaleString("en-US")}) do not match what the sink has read from the topic ${topic}.`,
                consequence: "It was built from another topic, or lacks events of this one; floe audit shows which.",
                fix: keeping
              }
            ]
    return findings
  })
})
