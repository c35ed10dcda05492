import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { partitions, replication, topic } from "../../../services/Settings.ts"
import { controlTopic, coordinator, deadLettersOf, type TopicOutcome, Topics } from "../../../services/Topics.ts"
import * as Profile from "../../profile/Profile.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { retryWhileStarting, wait } from "../terminal/retryWhileStarting.ts"
import { describe } from "./topicDescribe.ts"
import { list } from "./topicList.ts"

const linesOf = ({ name, made, differences }: TopicOutcome) =>
  differences.length > 0 ? differences : [`The topic ${name} ${made ? "was created" : "already exists"}.`]

/** Creates the topics of weather, and prints what there was to do. */
export const createTopics = Effect.fn("floe topics create")(function* ({
  wait,
  json
}: {
  readonly wait: number
  readonly json: boolean
}) {
  const topics = yield* Topics
  const name = yield* topic
  const copies = yield* replication
  const wanted = [
    { name, partitions: yield* partitions, replication: copies },
    { name: deadLettersOf(name), partitions: 1, replication: copies },
    { name: controlTopic, partitions: 1, replication: copies }
  ]
  const outcomes: Array<TopicOutcome> = []
  for (const one of wanted) {
    const outcome = yield* topics
      .create(one)
      .pipe(retryWhileStarting(wait, (error) => error._tag === "TopicsUnavailable"))
    outcomes.push(outcome)
    if (!json) for (const line of linesOf(outcome)) yield* Console.log(line)
  }
  // A sink without an offset would start at the end of its control topic and skip what it wrote before.
  yield* topics.begin(coordinator, controlTopic).pipe(retryWhileStarting(wait, () => true))
  if (json) yield* printJson(outcomes)
})

const create = Command.make("create", { wait, json }, createTopics).pipe(
  Command.withDescription(
    "Create the topics of the pipeline: FLOE_TOPIC with FLOE_PARTITIONS partitions, the dead-letter topic, and the sink's control topic. Records in them never expire. If a topic already exists, Floe lists the differences and changes nothing."
  ),
  Command.withShortDescription("Create the topics, or compare existing ones"),
  Command.withExamples([
    { command: "floe topics create", description: "Create the topics, waiting up to a minute for a broker" },
    {
      command: "FLOE_PARTITIONS=4 floe topics create --wait 300",
      description: "Create four partitions; wait up to five minutes"
    }
  ]),
  Command.provide(Profile.layer("topics"))
)

export const topics = Command.make("topics").pipe(
  Command.withDescription("Create and inspect the topics of the distributed profile."),
  Command.withShortDescription("Create and inspect the topics"),
  Command.withSubcommands([create, describe, list])
)
