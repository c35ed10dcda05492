/** Check of the connector: that it is registered as it should be, and it and its tasks run. */
import { Effect, Option } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import { type Connector, type ConnectorConfig, sinkConnector as name } from "../../../../services/Connector.ts"
import type { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import { coordinator } from "../../../../services/Topics.ts"
import * as IcebergSink from "../../../sink/connect/icebergSink.ts"
import { tableOf } from "../../../sink/connect/rebuildConnector.ts"

const notLanding = "What is logged stays in the topic and does not come into the table."

/** Who registered it may have wanted another interval or more copies than whoever looks at it; both are well. */
const free = new Set(["name", "iceberg.control.commit.interval-ms", "errors.deadletterqueue.topic.replication.factor"])
const secret = /secret|password|access-key/

const shown = (key: string, found: string | undefined, wanted: string | undefined) => {
  if (secret.test(key)) return `${key} is another`
  if (wanted === undefined) return `${key} is set`
  return `${key} is ${found === undefined ? "not set" : `"${found}"`}, not "${wanted}"`
}

/** As `topics is "a", not "b"`. */
export const differencesOf = (found: ConnectorConfig, wanted: ConnectorConfig): ReadonlyArray<string> =>
  [...new Set([...Object.keys(wanted), ...Object.keys(found)])]
    .filter((key) => !free.has(key) && found[key] !== wanted[key])
    .map((key) => shown(key, found[key], wanted[key]))

/** What failed and why: the first line of a stack trace, and its last cause. */
export const reasonOf = (trace: string | null) => {
  const lines = (trace ?? "").split("\n").map((line) => line.trim())
  const cause = lines.findLast((line) => line.startsWith("Caused by: "))
  const [first = ""] = lines
  return first === "" ? "it does not say why" : [first, ...(cause === undefined ? [] : [cause])].join(" ")
}

/** Where `floe replay --swap` was broken off the sink stands still: its place in the log may not be that of its table any more. */
const brokenOff = (table: string): Finding => ({
  finding: `The connector ${name} is STOPPED by floe replay --swap, which is still putting ${table} in place, or was broken off.`,
  consequence: `${notLanding} After floe connector resume, rows can be in it twice.`,
  fix: `\`floe replay --into ${table} --swap\` goes on, with the flags that it was given before.`
})

/** Started beside it, there would be two. */
const outlived: Finding = {
  finding: `The connector ${name} is STOPPED, and the coordinator of one of its tasks has outlived it.`,
  consequence: `${notLanding} After floe connector resume alone, there would be two that commit.`,
  fix: "`docker compose restart kafka-connect` ends it; then `docker compose up --detach --wait kafka-connect` and `floe connector resume`."
}

const ofState = (what: string, { state, trace }: { readonly state: string; readonly trace: string | null }) => {
  switch (state) {
    case "RUNNING":
      return []
    case "PAUSED":
    case "STOPPED":
      return [{ finding: `${what} is ${state}.`, consequence: notLanding, fix: `floe connector resume` }]
    case "FAILED":
      return [
        {
          finding: `${what} has failed: ${reasonOf(trace)}`,
          consequence: notLanding,
          fix: "Mend what this names, then `floe connector restart --only-failed`; docker compose logs kafka-connect has more."
        }
      ]
    default:
      return [
        {
          finding: `${what} is ${state}.`,
          consequence: notLanding,
          fix: "Look again in some seconds; where it stays so, `docker compose restart kafka-connect`."
        }
      ]
  }
}

export const connector = (
  connector: Connector["Service"],
  groups: ConsumerGroups["Service"],
  settings: IcebergSink.SinkSettings
): Check => ({
  name: "connector",
  ok: `The connector ${name} has the settings that floe connector register gives it, and runs.`,
  needs: ["kafka", "connect"],
  run: Effect.gen(function* () {
    const findings: Array<Finding> = []
    const differences = differencesOf(yield* connector.config(name), IcebergSink.config(settings))
    if (differences.length > 0) {
      const more = differences.length > 3 ? `; and ${differences.length - 3} more` : ""
      findings.push({
        finding: `The settings of the connector ${name} are other ones: ${differences.slice(0, 3).join("; ")}${more}.`,
        consequence: "Whether each event comes into the table once hangs on these settings.",
        fix: "floe connector register"
      })
    }
    const status = yield* connector.status(name)
    const replayed = status.connector.state === "STOPPED" ? (yield* connector.names).flatMap(tableOf) : []
    const isLeft =
      status.connector.state === "STOPPED" &&
      Option.exists(yield* groups.find(coordinator), ({ members }) => members.length > 0)
    const ofConnector =
      replayed.length > 0
        ? replayed.map(brokenOff)
        : isLeft
          ? [outlived]
          : ofState(`The connector ${name}`, status.connector)
    findings.push(...ofConnector)
    // The tasks of a paused connector are paused, and those of a stopped one are gone.
    if (ofConnector.length > 0) return findings
    if (status.tasks.length === 0) {
      findings.push({
        finding: `The connector ${name} has no task.`,
        consequence: notLanding,
        fix: "Look again in some seconds; where it stays so, `floe connector restart`."
      })
    }
    for (const task of status.tasks) findings.push(...ofState(`Task ${task.id} of the connector ${name}`, task))
    return findings
  }).pipe(
    Effect.catchTag("ConnectorMissing", () =>
      Effect.succeed([
        {
          finding: `There is no connector ${name}.`,
          consequence: notLanding,
          fix: "floe connector register"
        }
      ])
    )
  )
})
