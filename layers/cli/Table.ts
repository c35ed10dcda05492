import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { s3 } from "../../services/Settings.ts"
import * as Profile from "../Profile.ts"
import { create as createTable } from "../trino/WeatherTable.ts"
import { views } from "./TableViews.ts"
import { patiently, wait } from "./Waiting.ts"

const create = Command.make(
  "create",
  { wait },
  Effect.fn("floe table create")(function* ({ wait }) {
    yield* Profile.onlyDistributed("the sink makes the table with its first commit (npm start)")
    const { bucket } = yield* s3
    const made = yield* createTable(bucket).pipe(patiently(wait, (error) => error._tag === "QueryUnavailable"))
    yield* Console.log(
      made === "created"
        ? `The table iceberg.default.weather is made, at s3a://${bucket}/default/weather.`
        : "The table iceberg.default.weather is there already, and as it should be."
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
  Command.provide(Profile.query)
)

export const table = Command.make("table").pipe(
  Command.withDescription("The Iceberg table: make it, and look at it, its snapshots and its files."),
  Command.withShortDescription("Make a table, and look at it"),
  Command.withSubcommands([create, ...views])
)
