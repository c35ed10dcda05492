import { Console, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { partitions, replication, topic } from "../../services/Settings.ts"
import {
  control,
  coordinator,
  deadLettersOf,
  type TopicDescription,
  type TopicOutcome,
  Topics
} from "../../services/Topics.ts"
import * as Profile from "../Profile.ts"
import { patiently, wait } from "./Waiting.ts"

const linesOf = ({ name, made, differences }: TopicOutcome) =>
  differences.length > 0 ? differences : [`The topic ${name} ${made ? "is made" : "is there already"}.`]

const create = Command.make(
  "create",
  { wait },
  Effect.fn("floe topics create")(function* ({ wait }) {
    const topics = yield* Topics
    const name = yield* topic
    const copies = yield* replication
    const wanted = [
      { name, partitions: yield* partitions, replication: copies },
      { name: deadLettersOf(name), partitions: 1, replication: copies },
      { name: control, partitions: 1, replication: copies }
    ]
    for (const one of wanted) {
      const outcome = yield* topics.create(one).pipe(patiently(wait, (error) => error._tag === "TopicsUnavailable"))
      for (const line of linesOf(outcome)) yield* Console.log(line)
    }
    // A sink that starts without an offset would begin at the end of its own topic, and leave out what it wrote before.
    yield* topics.begin(coordinator, control).pipe(patiently(wait, () => true))
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
  Command.provide(Profile.topics)
)

const described = ({ name, id, partitions }: TopicDescription) => [
  `${name}  id ${id}`,
  ...partitions.map(
    ({ partition, replicas, start, end }) =>
      `  partition ${partition}  offsets ${start} to ${end} (${end - start} events)  replicas ${replicas}`
  )
]

const describe = Command.make(
  "describe",
  {
    name: Argument.String("topic").pipe(
      Argument.withDescription("Name of the topic; FLOE_TOPIC if none is given"),
      Argument.optional
    )
  },
  Effect.fn("floe topics describe")(function* ({ name }) {
    const wanted = Option.isSome(name) ? name.value : yield* topic
    const found = yield* (yield* Topics).describe(wanted)
    if (Option.isSome(found)) return yield* Console.log(described(found.value).join("\n"))
    return yield* Effect.fail(
      new Error(`The topic ${wanted} does not exist; floe topics create makes those of the pipeline.`)
    )
  })
).pipe(
  Command.withDescription("Show a topic's id, and the offsets and replicas of its partitions."),
  Command.withShortDescription("Show a topic's partitions and offsets"),
  Command.withExamples([
    { command: "floe topics describe", description: "Show the topic of the log" },
    { command: "floe topics describe weather-dlq", description: "How many records the sink could not take" }
  ]),
  Command.provide(Profile.topics)
)

const list = Command.make(
  "list",
  {},
  Effect.fn("floe topics list")(function* () {
    for (const name of yield* (yield* Topics).list) yield* Console.log(name)
  })
).pipe(
  Command.withDescription("List the topics of the brokers, without Kafka's own."),
  Command.withShortDescription("List the topics"),
  Command.withExamples([{ command: "floe topics list", description: "List the topics" }]),
  Command.provide(Profile.topics)
)

export const topics = Command.make("topics").pipe(
  Command.withDescription("The topics of the distributed profile."),
  Command.withShortDescription("Make and show the topics"),
  Command.withSubcommands([create, describe, list])
)
