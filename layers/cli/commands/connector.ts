import { Console, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import {
  Connector,
  type ConnectorConfig,
  ConnectorInvalid,
  type ConnectorStatus,
  sinkConnector
} from "../../../services/Connector.ts"
import { profile } from "../../../services/Settings.ts"
import * as Profile from "../../profile/Profile.ts"
import * as IcebergSink from "../../sink/connect/icebergSink.ts"
import { register as registerSink } from "../../sink/connect/register.ts"
import { reasonOf } from "../terminal/errorReason.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { retryWhileStarting, wait } from "../terminal/retryWhileStarting.ts"

const name = Argument.String("name").pipe(
  Argument.withDescription("Name of the connector"),
  Argument.withDefault(sinkConnector)
)

const Given = Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Number, Schema.Boolean]))

const config = Flag.FileSchema("config", Given, { format: "json" }).pipe(
  Flag.withDescription("A JSON object of settings that are added to the sink's, or replace them"),
  Flag.optional
)

const configOf = Effect.fnUntraced(function* (given: Option.Option<typeof Given.Type>) {
  const added = Object.entries(Option.getOrElse(given, () => ({})))
  const base = IcebergSink.config(yield* IcebergSink.settings)
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
  profile: Schema.String
}) {
  override get message() {
    const state = this.states.length === 0 ? "it has no task yet" : this.states.join(", ")
    const advice = this.states.some((state) => state.includes("FAILED"))
      ? this.profile === "embedded"
        ? "do what its reason says, then start the sink again (npm start, or node dist/sink.js)"
        : `mend what its trace names, then floe connector restart ${this.name} --only-failed`
      : this.states.some((state) => state.includes("PAUSED"))
        ? `floe connector resume ${this.name} lets it go on`
        : this.states.some((state) => state.includes("STOPPED"))
          ? "floe doctor says what lets it go on"
          : "look again in some seconds"
    return `The connector ${this.name} does not run (${state}); ${advice}.`
  }
}

const notRunning = ({ name, connector, tasks }: ConnectorStatus, profile: string) => {
  const states = [
    ...(connector.state === "RUNNING" ? [] : [`it is ${connector.state}`]),
    ...tasks.filter(({ state }) => state !== "RUNNING").map(({ id, state }) => `task ${id} is ${state}`)
  ]
  return states.length > 0 || tasks.length === 0
    ? Option.some(new NotRunning({ name, states, profile }))
    : Option.none()
}

const register = Command.make(
  "register",
  { name, config, wait },
  Effect.fn("floe connector register")(function* ({ name, config, wait }) {
    const done = yield* registerSink(name, yield* configOf(config)).pipe(
      retryWhileStarting(wait, (error) => error._tag === "ConnectUnavailable" || error._tag === "GroupsUnavailable")
    )
    const said = { created: "is registered", updated: "has its new settings", unchanged: "has these settings already" }
    yield* Console.log(`The connector ${name} ${said[done]}.`)
  })
).pipe(
  Command.withDescription(
    "Register the connector that brings the topic into the table, or give it new settings. They are validated first, and what Kafka Connect does not take is listed by field. One that runs is stopped for new settings and started again once none of its readers is left, so that it never has two coordinators; the log goes on meanwhile."
  ),
  Command.withShortDescription("Register the connector, or give it new settings"),
  Command.withExamples([
    {
      command: "floe connector register",
      description: "Register iceberg-sink, waiting for Kafka Connect up to a minute"
    },
    { command: "floe connector register --config more.json", description: 'Add or replace settings: {"tasks.max": 2}' }
  ]),
  Command.provide(Profile.layer("registration"))
)

const validate = Command.make(
  "validate",
  { name, config, json },
  Effect.fn("floe connector validate")(function* ({ name, config, json }) {
    const errors = yield* (yield* Connector).validate(name, yield* configOf(config))
    if (json) yield* printJson(errors)
    if (errors.length > 0) return yield* new ConnectorInvalid({ name, errors })
    if (!json) yield* Console.log(`The settings of the connector ${name} are valid.`)
  })
).pipe(
  Command.withDescription("Have Kafka Connect look at the settings, without registering them."),
  Command.withExamples([
    { command: "floe connector validate --config more.json", description: "Try settings before they are registered" }
  ]),
  Command.provide(Profile.layer("kafkaConnect"))
)

const status = Command.make(
  "status",
  { name, json },
  Effect.fn("floe connector status")(function* ({ name, json }) {
    const status = yield* (yield* Connector).status(name)
    yield* json ? printJson(status) : Console.log(linesOf(status).join("\n"))
    const failure = notRunning(status, yield* profile)
    if (Option.isSome(failure)) return yield* failure.value
  })
).pipe(
  Command.withDescription("How the connector and its tasks are; the exit code is 1 if any of them does not run."),
  Command.withExamples([
    { command: "floe connector status", description: "How iceberg-sink is" },
    { command: "floe connector status --json", description: "The same for a program, with whole traces" }
  ]),
  Command.provide(Profile.layer("connector"))
)

const restart = Command.make(
  "restart",
  {
    name,
    task: Flag.Int("task").pipe(Flag.withDescription("Restart only this task"), Flag.optional),
    onlyFailed: Flag.Boolean("only-failed").pipe(
      Flag.withDescription("Restart only what has failed"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("floe connector restart")(function* ({ name, task, onlyFailed }) {
    const connector = yield* Connector
    if (Option.isSome(task)) {
      yield* connector.restartTask(name, task.value)
      return yield* Console.log(`Task ${task.value} of the connector ${name} is being restarted.`)
    }
    yield* connector.restart(name, { onlyFailed })
    yield* Console.log(`${onlyFailed ? "What has failed of the" : "The"} connector ${name} is being restarted.`)
  })
).pipe(
  Command.withDescription("Restart the connector and its tasks."),
  Command.withExamples([
    { command: "floe connector restart", description: "Restart iceberg-sink and its tasks" },
    { command: "floe connector restart --only-failed", description: "Leave alone what runs" },
    { command: "floe connector restart --task 0", description: "Restart one task" }
  ]),
  Command.provide(Profile.layer("kafkaConnect"))
)

const told = (command: "pause" | "resume" | "delete", description: string, said: string) =>
  Command.make(
    command,
    { name },
    Effect.fn(`floe connector ${command}`)(function* ({ name }) {
      const connector = yield* Connector
      yield* { pause: connector.pause, resume: connector.resume, delete: connector.remove }[command](name)
      yield* Console.log(`The connector ${name} ${said}.`)
    })
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `floe connector ${command}`, description }])
  )

export const connector = Command.make("connector").pipe(
  Command.withDescription(
    "What brings the log into the table: the connector in Kafka Connect, or the embedded sink, which is shown, paused and resumed as if it were one."
  ),
  Command.withShortDescription("Register, look at and steer the connector"),
  Command.withSubcommands([
    register,
    validate,
    status,
    restart,
    told("pause", "Let the connector take in nothing more for now.", "is being paused").pipe(
      Command.provide(Profile.layer("connector"))
    ),
    told("resume", "Let a paused connector go on where it stopped.", "is being resumed").pipe(
      Command.provide(Profile.layer("connector"))
    ),
    told("delete", "Delete the connector; the topic and the table stay.", "is deleted").pipe(
      Command.provide(Profile.layer("kafkaConnect"))
    )
  ])
)
