/** Check that the topic that is here is the one that the table was made from. */
import { type Context, Effect, Option } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import { judge } from "../../../sink/connect/TableOrigin.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

const consequence =
  "What the table has of the other topic is in no log any more: nothing can compare it or make it again."

export const origin = (
  services: Context.Context<Effect.Services<ReturnType<typeof judge>>>,
  topic: string,
  anew: Effect.Effect<RebuildAdvice>
): Check => ({
  name: "origin",
  ok: `The table default.weather is made from the topic ${topic} that is here.`,
  needs: ["topics", "table"],
  run: Effect.gen(function* () {
    const found = Option.getOrUndefined(yield* judge(topic))
    if (found === undefined || found._tag === "SameTopic") return []
    const { keeping } = yield* anew
    const findings: ReadonlyArray<Finding> =
      found._tag === "OtherTopic"
        ? [
            {
              finding: `The topic ${topic} (id ${found.found}) is not the one that the table was made from (id ${found.named}): that one was deleted.`,
              consequence,
              fix: `Put Kafka's volumes back from a copy that has it. Where there is none: ${keeping}`
            }
          ]
        : found.agrees
          ? [
              {
                finding: "The table default.weather does not name the topic that it is made from.",
                consequence: "Were the topic deleted and made again, nobody would notice.",
                fix: "floe table create"
              }
            ]
          : [
              {
                finding: `The table default.weather names no topic, and its rows (${found.rows.toLocaleString("en-US")}) are not what the sink has read of the topic ${topic}.`,
                consequence: "It was made from another topic, or lacks events of this one: floe audit says which.",
                fix: keeping
              }
            ]
    return findings
  }).pipe(Effect.provide(services))
})
