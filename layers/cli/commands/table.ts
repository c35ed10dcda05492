import { Console, Effect, Option, Schema } from "effect"
import { Command } from "effect/cli"
import { s3, topic } from "../../../services/Settings.ts"
import { weather } from "../../../services/TableReader.ts"
import { Topics } from "../../../services/Topics.ts"
import * as Profile from "../../profile/Profile.ts"
import { judge } from "../../sink/connect/TableOrigin.ts"
import * as LogId from "../../table/trino/logId.ts"
import * as StreamTable from "../../table/trino/streamTable.ts"
import { create as createTable } from "../../table/trino/weatherTable.ts"
import { retryWhileStarting, wait } from "../terminal/retryWhileStarting.ts"
import { streamFlag, streamNamed } from "../terminal/streamFlag.ts"
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

class TableDiffers extends Schema.TaggedError<TableDiffers>()("TableDiffers", {
  stream: Schema.String,
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The table iceberg.default.${this.stream} exists but differs from the stream: ${this.differences.join("; ")}. Nothing was changed.`
  }
}

/** Creates the table of a stream other than weather, or compares it. */
const createStreamTable = Effect.fnUntraced(function* (name: string, wait: number) {
  const { bucket } = yield* s3
  const stream = yield* streamNamed(name)
  const state = yield* StreamTable.compare(stream, bucket).pipe(
    retryWhileStarting(wait, (error) => error._tag === "QueryUnavailable")
  )
  if (Option.isNone(state)) {
    const described = yield* (yield* Topics).describe(name)
    yield* StreamTable.create(stream, bucket, Option.getOrUndefined(described)?.id)
    return yield* Console.log(
      `The table iceberg.default.${name} was created at s3a://${bucket}/default/${name}. If the stream has events, floe rebuild --stream ${name} brings them in.`
    )
  }
  const { conflicts, foreign, steps } = state.value
  const differences = [
    ...conflicts,
    ...steps.map(({ what }) => `it needs ${what}`),
    ...foreign.map((column) => `another program added ${column}`)
  ]
  if (differences.length > 0) return yield* new TableDiffers({ stream: name, differences })
  yield* Console.log(`The table iceberg.default.${name} already exists and matches the stream.`)
})

const create = Command.make(
  "create",
  { stream: streamFlag, wait },
  Effect.fnUntraced(function* ({ stream, wait }) {
    yield* stream === weather ? createWeatherTable({ wait }) : createStreamTable(stream, wait)
  })
).pipe(
  Command.withDescription(
    "Create the table iceberg.default.weather through Trino. If it already exists, Floe compares it and lists the differences; it never alters a table. floe streams apply creates and changes the tables of your own streams; with --stream, this command creates one again that was dropped, or compares it."
  ),
  Command.withShortDescription("Create the table, or compare the existing one"),
  Command.withExamples([
    { command: "floe table create", description: "Create the table, waiting up to a minute for Trino" },
    { command: "floe table create --wait 300", description: "Wait up to five minutes" },
    { command: "floe table create --stream readings", description: "Compare the table of a stream of your own" }
  ]),
  Command.provide(Profile.layer("tableCreation")),
  Command.provide(Profile.layer("streams"))
)

export const table = Command.make("table").pipe(
  Command.withDescription(
    "Create the Iceberg table of weather, and inspect each table, its snapshots and its files. The table of a stream has the stream's name."
  ),
  Command.withShortDescription("Create and inspect tables"),
  Command.withSubcommands([create, ...views])
)
