/** Check of the sink's coordinator: there may be one only. */
import { Effect, Option } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import { control, coordinator } from "../../../../services/Topics.ts"

const doubled = "Two that commit can lose rows or double them, and one that only reads keeps the sink from committing."

export const coordinators = (groups: ConsumerGroups["Service"]): Check => ({
  name: "coordinators",
  ok: "The sink has one coordinator at most, and its topic to itself.",
  needs: ["kafka"],
  run: Effect.gen(function* () {
    const findings: Array<Finding> = []
    const members = Option.getOrUndefined(yield* groups.find(coordinator))?.members ?? []
    if (members.length > 1) {
      const who = members.map(({ clientId, host }) => `${clientId} at ${host.replace(/^\//, "")}`).join(", ")
      findings.push({
        finding: `The group ${coordinator} has ${members.length} members: ${who}.`,
        consequence: doubled,
        fix: "`docker compose restart kafka-connect` leaves one of its own; stop any other reader where it runs."
      })
    }
    // The sink's tasks are groups too, each of its own name.
    const others = (yield* groups.of(control)).filter(
      ({ id, members }) => id !== coordinator && id.endsWith("-coord") && members.length > 0
    )
    for (const { id } of others) {
      findings.push({
        finding: `Another connector uses the topic ${control} too: the one of the group ${id}.`,
        consequence: "Each reads what the other says; the guarantees are stated for one.",
        fix: `Give it an iceberg.control.topic of its own, or remove it: \`floe connector delete ${id.replace(/^connect-|-coord$/g, "")}\``
      })
    }
    return findings
  })
})
