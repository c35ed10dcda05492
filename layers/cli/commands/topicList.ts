import { Effect, Layer, Option, Stream } from "effect"
import { Command } from "effect/cli"
import { type TopicRetention, Topics } from "../../../services/Topics.ts"
import * as Profile from "../../profile/Profile.ts"
import { formatRetention } from "../terminal/formatRetention.ts"
import { type Column, count, list as listing, text } from "../terminal/listing.ts"
import { withActivity } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { writtenInTransactions } from "../terminal/topicGaps.ts"

interface Listed {
  readonly name: string
  readonly partitions: number
  readonly events: number
  /** There may be fewer: not every offset has a record. */
  readonly isAtMost?: true
  readonly retention: TopicRetention
}

const columns: ReadonlyArray<Column<Listed>> = [
  text("name", ({ name }) => name),
  count("partitions", ({ partitions }) => partitions),
  count("events", ({ events, isAtMost = false }) => (isAtMost ? `at most ${events}` : events)),
  text("retention", ({ retention }) => formatRetention(retention))
]

/** Empty if the topic was deleted in the meantime. */
const describe = Effect.fnUntraced(function* (name: string, hasMarkers: (topic: string) => boolean) {
  const topics = yield* Topics
  const description = Option.getOrUndefined(yield* topics.describe(name))
  const retention = Option.getOrUndefined(yield* topics.retention(name))
  if (description === undefined || retention === undefined) return []
  const { partitions } = description
  const events = partitions.reduce((sum, { start, end }) => sum + end - start, 0)
  const isAtMost = events > 0 && (retention.cleanup.includes("compact") || hasMarkers(name))
  return [{ name, partitions: partitions.length, events, ...(isAtMost && { isAtMost }), retention } satisfies Listed]
})

export const list = Command.make(
  "list",
  { json },
  Effect.fn("floe topics list")(function* ({ json }) {
    const topics = yield* Topics
    const listed = yield* Effect.gen(function* () {
      const [names, hasMarkers] = yield* Effect.all([topics.list, writtenInTransactions], { concurrency: 2 })
      return yield* Effect.forEach(names, (name) => describe(name, hasMarkers), { concurrency: 16 })
    }).pipe(withActivity("Reading the topics"))
    if (json) return yield* printJson(listed.flat())
    yield* listing(columns, Stream.fromIterable(listed.flat()), false)
  })
).pipe(
  Command.withDescription(
    "List the topics of the brokers, except Kafka's internal ones: the number of partitions, the number of offsets between their start and end, and the retention. A compacted topic, or one that is written in transactions, has fewer records than offsets: its number is marked `at most`, and has `isAtMost` as JSON."
  ),
  Command.withShortDescription("List the topics"),
  Command.withExamples([
    { command: "floe topics list", description: "List all topics" },
    { command: "floe topics list --json", description: "List them as JSON" }
  ]),
  Command.provide(Layer.mergeAll(Profile.layer("topics"), Profile.layer("streams")))
)
