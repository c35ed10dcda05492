import { Effect, Option, Stream } from "effect"
import { Command } from "effect/cli"
import { type TopicRetention, Topics } from "../../../services/Topics.ts"
import * as Profile from "../../profile/Profile.ts"
import { formatRetention } from "../terminal/formatRetention.ts"
import { count, list as listing, text } from "../terminal/listing.ts"
import { withActivity } from "../terminal/Progress.ts"
import { json } from "../terminal/printJson.ts"

interface Listed {
  readonly name: string
  readonly partitions: number
  readonly events: number
  readonly retention: TopicRetention
}

const columns = [
  text<Listed>("name", ({ name }) => name),
  count<Listed>("partitions", ({ partitions }) => partitions),
  count<Listed>("events", ({ events }) => events)
]

const retention = {
  forPeople: text<Listed>("retention", ({ retention }) => formatRetention(retention)),
  forPrograms: text<Listed>("retention", ({ retention: { millis, bytes, cleanup } }) => ({ millis, bytes, cleanup }))
}

/** Empty if the topic was deleted in the meantime. */
const describe = Effect.fnUntraced(function* (name: string) {
  const topics = yield* Topics
  const description = Option.getOrUndefined(yield* topics.describe(name))
  const retention = Option.getOrUndefined(yield* topics.retention(name))
  if (description === undefined || retention === undefined) return []
  const { partitions } = description
  const events = partitions.reduce((sum, { start, end }) => sum + end - start, 0)
  return [{ name, partitions: partitions.length, events, retention } satisfies Listed]
})

export const list = Command.make(
  "list",
  { json },
  Effect.fn("floe topics list")(function* ({ json }) {
    const listed = yield* Effect.flatMap((yield* Topics).list, Effect.forEach(describe, { concurrency: 16 })).pipe(
      withActivity("Reading the topics")
    )
    const { forPeople, forPrograms } = retention
    yield* listing([...columns, json ? forPrograms : forPeople], Stream.fromIterable(listed.flat()), json)
  })
).pipe(
  Command.withDescription(
    "List the topics of the brokers, except Kafka's internal ones: the number of partitions, the number of offsets between their start and end, and the retention. A compacted topic, or one with transactional records, has fewer records than offsets."
  ),
  Command.withShortDescription("List the topics"),
  Command.withExamples([
    { command: "floe topics list", description: "List all topics" },
    { command: "floe topics list --json", description: "List them as JSON" }
  ]),
  Command.provide(Profile.layer("topics"))
)
