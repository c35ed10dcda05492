import { Console, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import {
  Connector,
  type ConnectorConfig,
  ConnectorInvalid,
  type ConnectorStatus,
  connectorOf,
  streamOfConnector
} from "../../../services/Connector.ts"
import { profile } from "../../../services/Settings.ts"
import { Streams } from "../../../services/Streams.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import * as Profile from "../../profile/Profile.ts"
import * as IcebergSink from "../../sink/connect/icebergSink.ts"
import { register as registerSink } from "../../sink/connect/register.ts"
import { reasonOf } from "../terminal/errorReason.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { retryWhileStarting, wait } from "../terminal/retryWhileStarting.ts"
import { ownedName, ownerFlag } from "../terminal/streamFlag.ts"

const name = Argument.String("name").pipe(
  Argument.withDescription("Name of the connector; iceberg-sink by default"),
  Argument.optional
)
const stream = ownerFlag
type Named = { readonly name: Option.Option<string>; readonly stream: Option.Option<string> }
const named = (command: string, { name, stream }: Named) =>
  ownedName(`floe connector ${command}`, name, stream, connectorOf)

const Given = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Number, Schema.Boolean]))

const config = Flag.FileSchema("config", Given, { format: "json" }).pipe(
  Flag.withDescription("A JSON object of settings to add to the sink's, or to override"),
  Flag.optional
)

/** The settings of the connector of this name; those of weather's for any other name than that of a stream's. */
const settingsOf = Effect.fnUntraced(function* (name: string) {
  const settings = yield* IcebergSink.settings
  const stream = streamOfConnector(name)
  if (stream === undefined) return IcebergSink.config(settings)
  return yield* Effect.gen(function* () {
    const streams = yield* Streams
    yield* streams.find(stream)
    return IcebergSink.configOf(settings, yield* topicNames, yield* streams.history(stream))
  }).pipe(Effect.provide(Profile.layer("streams")))
})

const configOf = Effect.fnUntraced(function* (name: string, given: Option.Option<typeof Given.Type>) {
  const added = Object.entries(Option.getOrElse(given, () => ({})))
  const base = yield* settingsOf(name)
  return { ...base, ...Object.fromEntries(added.map(([key, value]) => [key, String(value)])) } satisfies ConnectorConfig
})

const linesOf = ({ name, connector, tasks }: ConnectorStatus) => [
  `${name}  ${connector.state}${connector.worker === null ? "" : `  on ${connector.worker}`}`,
  ...reasonOf(connector.trace),
  ...tasks.flatMap(({ id, state, worker, trace }) => [
    `  task ${id}  ${state}${worker === null ? "" : `  on ${worker}`}`,
    ...reasonOf(trace)
  ])
]

class NotRunning extends Schema.TaggedError<NotRunning>()("NotRunning", {
  name: Schema.String,
  states: Schema.Array(Schema.String),
  profile: Schema.String,
  /** The worker still runs: it has stopped only this connector. */
  isAlive: Schema.Boolean
}) {
  override get message() {
    const state = this.states.length === 0 ? "it has no task yet" : this.states.join(", ")
    const advice = this.states.some((state) => state.includes("FAILED"))
      ? this.profile === "embedded"
        ? this.isAlive
          ? "fix the reason given above; the sink then tries again by itself, at most 30 s later"
          : "fix the reason given above, then start the sink again (npm start, or node dist/sink.js)"
        : `fix what its trace names, then run floe connector restart ${this.name} --only-failed`
      : this.states.some((state) => state.includes("PAUSED"))
        ? `run floe connector resume ${this.name} to resume it`
        : this.states.some((state) => state.includes("STOPPED"))
          ? "run floe doctor to see how to resume it"
          : "check again in a few seconds"
    return `The connector ${this.name} is not running (${state}); ${advice}.`
  }
}

const notRunning = ({ name, connector, tasks }: ConnectorStatus, profile: string) => {
  const states = [
    ...(connector.state === "RUNNING" ? [] : [`it is ${connector.state}`]),
    ...tasks.filter(({ state }) => state !== "RUNNING").map(({ id, state }) => `task ${id} is ${state}`)
  ]
  return states.length > 0 || tasks.length === 0
    ? Option.some(new NotRunning({ name, states, profile, isAlive: tasks.some(({ worker }) => worker !== null) }))
    : Option.none()
}

interface Registration {
  readonly name: string
  readonly config: Option.Option<typeof Given.Type>
  readonly wait: number
}

/** Registers the connector, and prints what there was to do. */
export const registerConnector = Effect.fn("floe connector register")(function* ({ name, config, wait }: Registration) {
  const outcome = yield* registerSink(name, yield* configOf(name, config)).pipe(
    retryWhileStarting(wait, (error) => error._tag === "ConnectUnavailable" || error._tag === "GroupsUnavailable")
  )
  const report = {
    created: "is registered",
    updated: "has its new settings",
    unchanged: "already has these settings"
  }
  yield* Console.log(`The connector ${name} ${report[outcome]}.`)
})

const register = Command.make("register", { name, stream, config, wait }, ({ config, wait, ...given }) =>
  Effect.flatMap(named("register", given), (name) => registerConnector({ name, config, wait }))
).pipe(
  Command.withDescription(
    "Register the connector that brings the topic of a stream into its table, or change its settings. The connector of the stream readings is iceberg-sink-readings. Kafka Connect validates the settings first; invalid ones are listed by field. To change the settings of a running connector, Floe stops it and starts it again once its consumers have left, so that it never has two coordinators. The log keeps accepting events."
  ),
  Command.withShortDescription("Register the connector, or change its settings"),
  Command.withExamples([
    {
      command: "floe connector register",
      description: "Register iceberg-sink, waiting up to a minute for Kafka Connect"
    },
    {
      command: "floe connector register iceberg-sink-readings",
      description: "Register the connector of the stream readings again, with the columns of all its versions"
    },
    { command: "floe connector register --config more.json", description: 'Add or override settings: {"tasks.max": 2}' }
  ]),
  Command.provide(Profile.layer("registration"))
)

const validate = Command.make(
  "validate",
  { name, stream, config, json },
  Effect.fn("floe connector validate")(function* ({ config, json, ...given }) {
    const name = yield* named("validate", given)
    const errors = yield* (yield* Connector).validate(name, yield* configOf(name, config))
    if (json) yield* printJson(errors)
    if (errors.length > 0) return yield* new ConnectorInvalid({ name, errors })
    if (!json) yield* Console.log(`The settings of the connector ${name} are valid.`)
  })
).pipe(
  Command.withDescription("Have Kafka Connect validate the settings without registering them."),
  Command.withExamples([
    { command: "floe connector validate --config more.json", description: "Check settings before registering them" }
  ]),
  Command.provide(Profile.layer("kafkaConnect"))
)

const status = Command.make(
  "status",
  { name, stream, json },
  Effect.fn("floe connector status")(function* ({ json, ...given }) {
    const name = yield* named("status", given)
    const status = yield* (yield* Connector).status(name)
    yield* json ? printJson(status) : Console.log(linesOf(status).join("\n"))
    const failure = notRunning(status, yield* profile)
    if (Option.isSome(failure)) return yield* failure.value
  })
).pipe(
  Command.withDescription("Show the state of the connector and its tasks. Exit code 1 if any of them is not running."),
  Command.withExamples([
    { command: "floe connector status", description: "Show the state of iceberg-sink" },
    { command: "floe connector status --stream readings", description: "Show the state of iceberg-sink-readings" },
    { command: "floe connector status --json", description: "Show it as JSON, with full traces" }
  ]),
  Command.provide(Profile.layer("connector"))
)

const restart = Command.make(
  "restart",
  {
    name,
    stream,
    task: Flag.Int("task").pipe(Flag.withDescription("Restart only this task"), Flag.optional),
    onlyFailed: Flag.Boolean("only-failed").pipe(
      Flag.withDescription("Restart only failed instances"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("floe connector restart")(function* ({ task, onlyFailed, ...given }) {
    const name = yield* named("restart", given)
    const connector = yield* Connector
    if (Option.isSome(task)) {
      yield* connector.restartTask(name, task.value)
      return yield* Console.log(`Task ${task.value} of the connector ${name} is being restarted.`)
    }
    yield* connector.restart(name, { onlyFailed })
    yield* Console.log(
      `${onlyFailed ? `Failed instances of the connector ${name} are` : `The connector ${name} is`} being restarted.`
    )
  })
).pipe(
  Command.withDescription("Restart the connector and its tasks."),
  Command.withExamples([
    { command: "floe connector restart", description: "Restart iceberg-sink and its tasks" },
    { command: "floe connector restart --only-failed", description: "Restart only what has failed" },
    { command: "floe connector restart --task 0", description: "Restart one task" }
  ]),
  Command.provide(Profile.layer("kafkaConnect"))
)

const simple = (command: "pause" | "resume" | "delete", description: string, outcome: string) =>
  Command.make(
    command,
    { name, stream },
    Effect.fn(`floe connector ${command}`)(function* (given) {
      const name = yield* named(command, given)
      const connector = yield* Connector
      yield* { pause: connector.pause, resume: connector.resume, delete: connector.remove }[command](name)
      yield* Console.log(`The connector ${name} ${outcome}.`)
    })
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `floe connector ${command}`, description: description.replace(/[.;].*$/, "") }])
  )

export const connector = Command.make("connector").pipe(
  Command.withDescription(
    "The connector brings the log into the table. It runs in Kafka Connect; in the embedded profile, the embedded sink takes its place: you can show, pause, and resume it in the same way."
  ),
  Command.withShortDescription("Register, inspect and control the connector"),
  Command.withSubcommands([
    register,
    validate,
    status,
    restart,
    simple("pause", "Pause the connector.", "is being paused").pipe(Command.provide(Profile.layer("connector"))),
    simple("resume", "Resume a paused connector where it stopped.", "is being resumed").pipe(
      Command.provide(Profile.layer("connector"))
    ),
    simple("delete", "Delete the connector; the topic and the table are kept.", "is deleted").pipe(
      Command.provide(Profile.layer("kafkaConnect"))
    )
  ])
)
