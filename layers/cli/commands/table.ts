import { Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import { s3, topic } from "../../../services/Settings.ts"
import { weather } from "../../../services/TableReader.ts"
import * as Profile from "../../profile/Profile.ts"
import { judge } from "../../sink/connect/TableOrigin.ts"
import * as LogId from "../../table/trino/logId.ts"
import { create as createTable } from "../../table/trino/weatherTable.ts"
import { retryWhileStarting, wait } from "../terminal/retryWhileStarting.ts"
import { views } from "./tableViews.ts"

/** Records the id of the topic in a table that records none, if both hold the same events. */
const recordTopic = Effect.gen(function* () {
  const name = yield* topic
  const origin = Option.getOrUndefined(yield* judge(name))
  if (origin === undefined || origin._tag === "SameTopic") return
  if (origin._tag === "NoTopicNamed" && origin.agrees) {
    yield* LogId.set(weather, origin.topicId)
    return yield* Console.log(
      `The table now records the topic that it is built from: ${name}, with the id ${origin.topicId}.`
    )
  }
  yield* Console.error(
    `The table does not hold the events that the sink has read from the topic ${name}; run floe doctor to see how to fix it.`
  )
})

/** Creates the table of weather, and prints what there was to do. */
export const createWeatherTable = Effect.fn("floe table create")(function* ({ wait }: { readonly wait: number }) {
  const { bucket } = yield* s3
  const outcome = yield* createTable(bucket).pipe(
    retryWhileStarting(wait, (error) => error._tag === "QueryUnavailable")
  )
  yield* Console.log(
    outcome === "created"
      ? `The table iceberg.default.weather was created at s3a://${bucket}/default/weather.`
      : "The table iceberg.default.weather already exists and matches the expected definition."
  )
  yield* recordTopic.pipe(
    Effect.catch(({ message }) => Console.error(`The topic that the table is built from was not recorded. ${message}`))
  )
})

const create = Command.make("create", { wait }, createWeatherTable).pipe(
  Command.withDescription(
    "Create the table iceberg.default.weather through Trino. If it already exists, Floe compares it and lists the differences; it never alters a table."
  ),
  Command.withShortDescription("Create the table, or compare the existing one"),
  Command.withExamples([
    { command: "floe table create", description: "Create the table, waiting up to a minute for Trino" },
    { command: "floe table create --wait 300", description: "Wait up to five minutes" }
  ]),
  Command.provide(Profile.layer("tableCreation"))
)

export const table = Command.make("table").pipe(
  Command.withDescription(
    "Create the Iceberg table of weather, and inspect each table, its snapshots and its files. The table of a stream has the stream's name."
  ),
  Command.withShortDescription("Create and inspect tables"),
  Command.withSubcommands([create, ...views])
)
