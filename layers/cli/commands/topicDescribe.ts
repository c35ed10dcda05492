import { Effect, Layer, Option, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { type ConsumerGroup, ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { topic as ofLog } from "../../../services/Settings.ts"
import { type TopicDescription, Topics } from "../../../services/Topics.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { formatRetention } from "../terminal/formatRetention.ts"
import { facts } from "../terminal/listing.ts"
import { counted, saying } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"

class NoSuchTopic extends Schema.TaggedError<NoSuchTopic>()("NoSuchTopic", { name: Schema.String }) {
  override get message() {
    return `The topic ${this.name} does not exist; floe topics create makes those of the pipeline.`
  }
}

/** How far a group is in the topic; what has no offset yet has no lag. */
const progressOf = ({ name, partitions }: TopicDescription, { id, state, members, offsets }: ConsumerGroup) => {
  const read = partitions.flatMap(({ partition, end }) => {
    const committed = offsets.find((one) => one.topic === name && one.partition === partition)
    const reader = members.find((member) => member.partitions.get(name)?.includes(partition))
    if (committed === undefined && reader === undefined) return []
    const offset = committed?.offset ?? null
    const of = reader === undefined ? null : { id: reader.id, clientId: reader.clientId, host: reader.host }
    return [{ partition, offset, lag: offset === null ? null : end - offset, reader: of }]
  })
  return { id, state, members: members.length, partitions: read }
}
type Progress = ReturnType<typeof progressOf>

const linesOf = ({ state, members, partitions }: Progress) => [
  `${state}, ${plural(members, "member")}`,
  ...partitions.flatMap(({ partition, offset, lag, reader }) => [
    `partition ${partition}  ${lag === null ? "no offset yet" : `offset ${offset}  lag ${counted(lag)}`}`,
    ...(reader === null ? [] : [`  read by ${reader.clientId} at ${reader.host}`])
  ])
]

export const describe = Command.make(
  "describe",
  {
    name: Argument.String("topic").pipe(
      Argument.withDescription("Name of the topic; FLOE_TOPIC if none is given"),
      Argument.optional
    ),
    json
  },
  Effect.fn("floe topics describe")(function* ({ name, json }) {
    const topics = yield* Topics
    const wanted = Option.isSome(name) ? name.value : yield* ofLog
    const missing = () => new NoSuchTopic({ name: wanted })
    const consumers = yield* ConsumerGroups
    const { retention, readers, found } = yield* Effect.gen(function* () {
      const retention = yield* Effect.mapError(Effect.fromOption(yield* topics.retention(wanted)), missing)
      const readers = yield* consumers.of(wanted)
      // After the groups, so that none is ahead of the end.
      const found = yield* Effect.mapError(Effect.fromOption(yield* topics.describe(wanted)), missing)
      return { retention, readers, found }
    }).pipe(saying("Looking at the topic and its readers"))
    const groups = readers.map((group) => progressOf(found, group))
    if (json) return yield* printJson({ ...found, retention, groups })
    yield* facts([
      ["topic", found.name],
      ["id", found.id],
      ["retention", formatRetention(retention)],
      ...found.partitions.map(
        ({ partition, replicas, start, end }) =>
          [
            `partition ${partition}`,
            `offsets ${start} to ${end} (${plural(end - start, "event")}), ${plural(replicas, "replica")}`
          ] as const
      ),
      ...groups.map((group) => ["group", [group.id, ...linesOf(group)].join("\n")] as const)
    ])
  })
).pipe(
  Command.withDescription(
    "Show a topic: its id, how long its records are kept, the offsets and replicas of its partitions, and who reads it: each consumer group with its members, its offsets and its lag, which is how many records it has yet to read."
  ),
  Command.withShortDescription("Show a topic's partitions, offsets and readers"),
  Command.withExamples([
    { command: "floe topics describe", description: "Show the topic of the log, and how far the sink is" },
    {
      command: "floe topics describe weather-dlq",
      description: "What the sink refused, and the notes of what was sent again"
    },
    { command: "floe topics describe --json", description: "The same for a program" }
  ]),
  Command.provide(Layer.merge(Profile.layer("topics"), Profile.layer("consumerGroups")))
)
