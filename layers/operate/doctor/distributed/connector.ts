/** Check of the connector: it is registered with the right settings, and it and its tasks run. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { Connector, type ConnectorConfig, connectorOf } from "../../../../services/Connector.ts"
import { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import type { AppliedStream, BegunStream } from "../../../../services/StreamDefinition.ts"
import { weather } from "../../../../services/TableReader.ts"
import { coordinatorOf } from "../../../../services/Topics.ts"
import type { TopicNames } from "../../../log/kafka/topicNames.ts"
import * as IcebergSink from "../../../sink/connect/icebergSink.ts"
import { tableOf } from "../../../sink/connect/rebuildConnector.ts"

/** A stream's connector, and how the commands name it: weather's is their default. */
interface Sink {
  readonly name: string
  readonly coordinator: string
  /** The command's argument, with a space before it. */
  readonly argument: string
  /** What registers it. */
  readonly register: string
  /** What starts it when it is stopped. */
  readonly start: string
  /** Its processor, if that is being rebuilt. */
  readonly rebuilt?: string | undefined
}

const startOf = (name: string, change: BegunStream | undefined, rebuilt: string | undefined) => {
  if (rebuilt !== undefined) return `\`floe processor rebuild ${rebuilt}\` completes what stopped it, and starts it`
  if (change === undefined) return `floe connector resume ${name}`
  return change.isHeld === true
    ? "`floe streams apply` completes the change of the stream, and starts it"
    : `\`floe streams apply\` completes the change of the stream; then \`floe connector resume ${name}\` starts it`
}

/** While a change is half-done, its settings may not fit its table; the apply that completes it starts the connector if it had stopped it. */
const sinkOf = (stream: string, change?: BegunStream, rebuilt?: string): Sink => {
  const name = connectorOf(stream)
  const coordinator = coordinatorOf(stream)
  return stream === weather
    ? { name, coordinator, argument: "", register: "floe connector register", start: "floe connector resume" }
    : {
        name,
        coordinator,
        argument: ` ${name}`,
        register: "floe streams apply",
        start: startOf(name, change, rebuilt),
        rebuilt
      }
}

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
const interrupted = ({ name }: Sink, table: string): Finding => ({
  finding: `The connector ${name} is STOPPED by floe rebuild --promote, which is still promoting ${table} or was interrupted.`,
  consequence: `${notLanding} After floe connector resume, the table could have rows twice.`,
  fix: `\`floe rebuild --into ${table} --promote\` continues; give it the same flags as before.`
})

const outlived = ({ name, argument }: Sink): Finding => ({
  finding: `The connector ${name} is STOPPED, but the coordinator of one of its tasks is still running.`,
  consequence: `${notLanding} With floe connector resume alone, two coordinators would commit.`,
  fix: `\`docker compose restart kafka-connect\` ends it; then \`docker compose up --detach --wait kafka-connect\` and \`floe connector resume${argument}\`.`
})

const ofState = (
  { argument, start }: Sink,
  what: string,
  { state, trace }: { readonly state: string; readonly trace: string | null }
) => {
  switch (state) {
    case "RUNNING":
      return []
    case "STOPPED":
      return [{ finding: `${what} is ${state}.`, consequence: notLanding, fix: start }]
    case "PAUSED":
      return [{ finding: `${what} is ${state}.`, consequence: notLanding, fix: `floe connector resume${argument}` }]
    case "FAILED":
      return [
        {
          finding: `${what} has failed: ${reasonOf(trace)}`,
          consequence: notLanding,
          fix: `Fix the cause, then run \`floe connector restart${argument} --only-failed\`; docker compose logs kafka-connect has more.`
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

/** The tables that a rebuild of this connector's topic is filling. */
const rebuilt = Effect.fnUntraced(function* (topic: string | undefined) {
  const connector = yield* Connector
  const others = (yield* connector.names).filter((other) => tableOf(other).length > 0)
  const ofTopic = yield* Effect.filter(others, (other) =>
    connector.config(other).pipe(
      Effect.map(({ topics }) => topics === topic),
      Effect.catchTag("ConnectorMissing", () => Effect.succeed(false))
    )
  )
  return ofTopic.flatMap(tableOf)
})

const ofStatus = Effect.fnUntraced(function* (sink: Sink, topic: string | undefined) {
  const { name, coordinator } = sink
  const connector = yield* Connector
  const status = yield* connector.status(name)
  const isStopped = status.connector.state === "STOPPED"
  const promoted = isStopped && sink.rebuilt === undefined ? yield* rebuilt(topic) : []
  const isLeft =
    isStopped && Option.exists(yield* (yield* ConsumerGroups).find(coordinator), ({ members }) => members.length > 0)
  const ofConnector =
    promoted.length > 0
      ? promoted.map((table) => interrupted(sink, table))
      : isLeft
        ? [outlived(sink)]
        : ofState(sink, `The connector ${name}`, status.connector)
  // The tasks of a paused connector are paused, and those of a stopped one are gone.
  if (ofConnector.length > 0) return ofConnector
  if (status.tasks.length === 0) {
    const finding: Finding = {
      finding: `The connector ${name} has no task.`,
      consequence: notLanding,
      fix: `Check again in a few seconds; if nothing has changed, \`floe connector restart${sink.argument}\`.`
    }
    return [finding]
  }
  return status.tasks.flatMap((task) => ofState(sink, `Task ${task.id} of the connector ${name}`, task))
})

const check = (label: string, sink: Sink, wanted: ConnectorConfig) => ({
  name: label,
  ok: `The connector ${sink.name} runs with the settings that ${sink.register} gives it.`,
  needs: ["kafka", "connect"],
  run: Effect.gen(function* () {
    const actual = yield* (yield* Connector).config(sink.name)
    const differences = differencesOf(actual, wanted)
    const more = differences.length > 3 ? `; and ${differences.length - 3} more` : ""
    const changed: Finding = {
      finding: `The connector ${sink.name} does not have the expected settings: ${differences.slice(0, 3).join("; ")}${more}.`,
      consequence: "Exactly-once delivery to the table depends on these settings.",
      fix: sink.register
    }
    const findings: ReadonlyArray<Finding> = yield* ofStatus(sink, actual.topics)
    return differences.length > 0 ? [changed, ...findings] : findings
  }).pipe(
    Effect.catchTag("ConnectorMissing", () =>
      Effect.succeed<ReadonlyArray<Finding>>([
        {
          finding: `There is no connector ${sink.name}.`,
          consequence: notLanding,
          fix: sink.register
        }
      ])
    )
  )
})

export const connector = (settings: IcebergSink.SinkSettings) =>
  check("connector", sinkOf(weather), IcebergSink.config(settings))

interface Unfinished {
  /** A version that an apply has begun. */
  readonly change?: BegunStream | undefined
  /** The processor of a rebuild that moves the stream to its new topic. */
  readonly rebuilt?: string | undefined
}

/** Of a stream beside weather, whose versions are `history`. It must have one coordinator too. */
export const connectorOfStream = (
  stream: string,
  settings: IcebergSink.SinkSettings,
  names: TopicNames,
  history: ReadonlyArray<AppliedStream>,
  { change, rebuilt }: Unfinished = {}
) => {
  const sink = sinkOf(stream, change, rebuilt)
  const one = check(`connector of ${stream}`, sink, IcebergSink.configOf(settings, names, history))
  const coordinators = Effect.gen(function* () {
    const group = Option.getOrUndefined(yield* (yield* ConsumerGroups).find(sink.coordinator))
    if (group === undefined || group.members.length < 2) return []
    const finding: Finding = {
      finding: `The group ${sink.coordinator} has ${group.members.length} members.`,
      consequence: "Two committing members can lose or duplicate rows.",
      fix: "`docker compose restart kafka-connect` leaves one."
    }
    return [finding]
  })
  return {
    ...one,
    run: Effect.zipWith(one.run, coordinators, (a, b) => [...a, ...b], { concurrent: true })
  }
}
