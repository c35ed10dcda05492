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

/** A table that names no topic gets the id of the one that is here, where both hold the same. */
const nameTopic = Effect.gen(function* () {
  const name = yield* topic
  const found = Option.getOrUndefined(yield* judge(name))
  if (found === undefined || found._tag === "SameTopic") return
  if (found._tag === "NoTopicNamed" && found.agrees) {
    yield* LogId.set(weather, found.found)
    return yield* Console.log(
      `From now on it names the topic that it is made from: ${name}, with the id ${found.found}.`
    )
  }
  yield* Console.error(`It does not hold what the sink has read of the topic ${name}; floe doctor says how to go on.`)
})

const create = Command.make(
  "create",
  { wait },
  Effect.fn("floe table create")(function* ({ wait }) {
    const { bucket } = yield* s3
    const made = yield* createTable(bucket).pipe(retryWhileStarting(wait, (error) => error._tag === "QueryUnavailable"))
    yield* Console.log(
      made === "created"
        ? `The table iceberg.default.weather is made, at s3a://${bucket}/default/weather.`
        : "The table iceberg.default.weather is there already, and as it should be."
    )
    yield* nameTopic.pipe(
      Effect.catch(({ message }) => Console.error(`Which topic it is made from was not noted. ${message}`))
    )
  })
).pipe(
  Command.withDescription(
    "Make the table iceberg.default.weather through Trino; one that is there is compared, and what differs is named. Nothing is ever altered."
  ),
  Command.withShortDescription("Make the table, or compare the one that is there"),
  Command.withExamples([
    { command: "floe table create", description: "Make the table, waiting for Trino up to a minute" },
    { command: "floe table create --wait 300", description: "Wait up to five minutes" }
  ]),
  Command.provide(Profile.layer("tableCreation"))
)

export const table = Command.make("table").pipe(
  Command.withDescription("The Iceberg table: make it, and look at it, its snapshots and its files."),
  Command.withShortDescription("Make a table, and look at it"),
  Command.withSubcommands([create, ...views])
)
