/** Check of the connector: it is registered with the right settings, and it and its tasks run. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { Connector, type ConnectorConfig, sinkConnector as name } from "../../../../services/Connector.ts"
import { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import { coordinator } from "../../../../services/Topics.ts"
import * as IcebergSink from "../../../sink/connect/icebergSink.ts"
import { tableOf } from "../../../sink/connect/rebuildConnector.ts"

const notLanding = "New events stay in the topic and do not reach the table."

/** The user who registered it may have chosen another interval or more copies than this one; both are fine. */
const free = new Set(["name", "iceberg.control.commit.interval-ms", "errors.deadletterqueue.topic.replication.factor"])
const secret = /secret|password|access-key/

const describeDifference = (key: string, actual: string | undefined, wanted: string | undefined) => {
  if (secret.test(key)) return `${key} has another value`
  if (wanted === undefined) return `${key} is set but should not be`
  return `${key} is ${actual === undefined ? "not set" : `"${actual}"`}, not "${wanted}"`
}

/** For example `topics is "a", not "b"`. */
export const differencesOf = (actual: ConnectorConfig, wanted: ConnectorConfig): ReadonlyArray<string> =>
  [...new Set([...Object.keys(wanted), ...Object.keys(actual)])]
    .filter((key) => !free.has(key) && actual[key] !== wanted[key])
    .map((key) => describeDifference(key, actual[key], wanted[key]))

/** What failed and why: the first line of a stack trace, and its last cause. */
export const reasonOf = (trace: string | null) => {
  const lines = (trace ?? "").split("\n").map((line) => line.trim())
  const cause = lines.findLast((line) => line.startsWith("Caused by: "))
  const [first = ""] = lines
  return first === "" ? "it gives no reason" : [first, ...(cause === undefined ? [] : [cause])].join(" ")
}

/** While a promotion is unfinished, the sink's position in the log may not be that of its table any more. */
const interrupted = (table: string): Finding => ({
  finding: `The connector ${name} is STOPPED by floe rebuild --promote, which is still promoting ${table} or was interrupted.`,
  consequence: `${notLanding} After floe connector resume, the table could have rows twice.`,
  fix: `\`floe rebuild --into ${table} --promote\` continues; give it the same flags as before.`
})

const outlived: Finding = {
  finding: `The connector ${name} is STOPPED, but the coordinator of one of its tasks is still running.`,
  consequence: `${notLanding} With floe connector resume alone, two coordinators would commit.`,
  fix: "`docker compose restart kafka-connect` ends it; then `docker compose up --detach --wait kafka-connect` and `floe connector resume`."
}

const ofState = (what: string, { state, trace }: { readonly state: string; readonly trace: string | null }) => {
  switch (state) {
    case "RUNNING":
      return []
    case "PAUSED":
    case "STOPPED":
      return [{ finding: `${what} is ${state}.`, consequence: notLanding, fix: "floe connector resume" }]
    case "FAILED":
      return [
        {
          finding: `${what} has failed: ${reasonOf(trace)}`,
          consequence: notLanding,
          fix: "Fix the cause, then run `floe connector restart --only-failed`; docker compose logs kafka-connect has more."
        }
      ]
    default:
      return [
        {
          finding: `${what} is ${state}.`,
          consequence: notLanding,
          fix: "Check again in a few seconds; if nothing has changed, `docker compose restart kafka-connect`."
        }
      ]
  }
}

const ofStatus = Effect.gen(function* () {
  const connector = yield* Connector
  const status = yield* connector.status(name)
  const isStopped = status.connector.state === "STOPPED"
  const promoted = isStopped ? (yield* connector.names).flatMap(tableOf) : []
  const isLeft =
    isStopped && Option.exists(yield* (yield* ConsumerGroups).find(coordinator), ({ members }) => members.length > 0)
  const ofConnector =
    promoted.length > 0
      ? promoted.map(interrupted)
      : isLeft
        ? [outlived]
        : ofState(`The connector ${name}`, status.connector)
  // The tasks of a paused connector are paused, and those of a stopped one are gone.
  if (ofConnector.length > 0) return ofConnector
  if (status.tasks.length === 0) {
    const finding: Finding = {
      finding: `The connector ${name} has no task.`,
      consequence: notLanding,
      fix: "Check again in a few seconds; if nothing has changed, `floe connector restart`."
    }
    return [finding]
  }
  return status.tasks.flatMap((task) => ofState(`Task ${task.id} of the connector ${name}`, task))
})

export const connector = (settings: IcebergSink.SinkSettings) => ({
  name: "connector",
  ok: `The connector ${name} runs with the settings that floe connector register gives it.`,
  needs: ["kafka", "connect"],
  run: Effect.gen(function* () {
    const actual = yield* (yield* Connector).config(name)
    const differences = differencesOf(actual, IcebergSink.config(settings))
    const more = differences.length > 3 ? `; and ${differences.length - 3} more` : ""
    const changed: Finding = {
      finding: `The connector ${name} does not have the expected settings: ${differences.slice(0, 3).join("; ")}${more}.`,
      consequence: "Exactly-once delivery to the table depends on these settings.",
      fix: "floe connector register"
    }
    const findings: ReadonlyArray<Finding> = yield* ofStatus
    return differences.length > 0 ? [changed, ...findings] : findings
  }).pipe(
    Effect.catchTag("ConnectorMissing", () =>
      Effect.succeed<ReadonlyArray<Finding>>([
        {
          finding: `There is no connector ${name}.`,
          consequence: notLanding,
          fix: "floe connector register"
        }
      ])
    )
  )
})
