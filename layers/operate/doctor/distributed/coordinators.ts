/** Check of the sink's coordinator: there may be only one. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import { controlTopic, coordinator } from "../../../../services/Topics.ts"

export const coordinators = {
  name: "coordinators",
  ok: "The sink has at most one coordinator, and nothing else uses its control topic.",
  needs: ["kafka"],
  run: Effect.gen(function* () {
    const groups = yield* ConsumerGroups
    const findings: Array<Finding> = []
    const members = Option.getOrUndefined(yield* groups.find(coordinator))?.members ?? []
    if (members.length > 1) {
      const who = members.map(({ clientId, host }) => `${clientId} at ${host.replace(/^\//, "")}`).join(", ")
      findings.push({
        finding: `The group ${coordinator} has ${members.length} members: ${who}.`,
        consequence:
          "Two committing members can lose or duplicate rows; a member that only reads keeps the sink from committing.",
        fix: "`docker compose restart kafka-connect` leaves one of its own; stop any other reader where it runs."
      })
    }
    // The sink's tasks are groups too, each with its own name.
    const others = (yield* groups.of(controlTopic)).filter(
      ({ id, members }) => id !== coordinator && id.endsWith("-coord") && members.length > 0
    )
    for (const { id } of others) {
      findings.push({
        finding: `Another connector also uses the topic ${controlTopic}: the one with the group ${id}.`,
        consequence: "Each reads the other's messages; exactly-once delivery is guaranteed for one connector only.",
        fix: `Give it an iceberg.control.topic of its own, or remove it: \`floe connector delete ${id.replace(/^connect-|-coord$/g, "")}\``
      })
    }
    return findings
  })
}
