import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { partitions, replication, topic } from "../../../services/Settings.ts"
import { control, coordinator, deadLettersOf, type TopicOutcome, Topics } from "../../../services/Topics.ts"
import * as Profile from "../../profile/Profile.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { retryWhileStarting, wait } from "../terminal/retryWhileStarting.ts"
import { describe } from "./topicDescribe.ts"
import { list } from "./topicList.ts"

const linesOf = ({ name, made, differences }: TopicOutcome) =>
  differences.length > 0 ? differences : [`The topic ${name} ${made ? "is made" : "is there already"}.`]

const create = Command.make(
  "create",
  { wait, json },
  Effect.fn("floe topics create")(function* ({ wait, json }) {
    const topics = yield* Topics
    const name = yield* topic
    const copies = yield* replication
    const wanted = [
      { name, partitions: yield* partitions, replication: copies },
      { name: deadLettersOf(name), partitions: 1, replication: copies },
      { name: control, partitions: 1, replication: copies }
    ]
    const outcomes: Array<TopicOutcome> = []
    for (const one of wanted) {
      const outcome = yield* topics
        .create(one)
        .pipe(retryWhileStarting(wait, (error) => error._tag === "TopicsUnavailable"))
      outcomes.push(outcome)
      if (!json) for (const line of linesOf(outcome)) yield* Console.log(line)
    }
    // A sink that starts without an offset would begin at the end of its own topic, and leave out what it wrote before.
    yield* topics.begin(coordinator, control).pipe(retryWhileStarting(wait, () => true))
    if (json) yield* printJson(outcomes)
  })
).pipe(
  Command.withDescription(
    "Make the topics of the pipeline: FLOE_TOPIC with FLOE_PARTITIONS partitions, the one for what the sink cannot take, and the sink's own. Nothing in them ever expires. Those that are there are compared, what differs is said, and nothing is changed."
  ),
  Command.withShortDescription("Make the topics, or compare those that are there"),
  Command.withExamples([
    { command: "floe topics create", description: "Make the topics, waiting for a broker up to a minute" },
    {
      command: "FLOE_PARTITIONS=4 floe topics create --wait 300",
      description: "Four partitions; wait up to five minutes"
    }
  ]),
  Command.provide(Profile.layer("topics"))
)

export const topics = Command.make("topics").pipe(
  Command.withDescription("The topics of the distributed profile."),
  Command.withShortDescription("Make and show the topics"),
  Command.withSubcommands([create, describe, list])
)
