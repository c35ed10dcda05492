import { Effect, Layer, Option, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { type ConsumerGroup, ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { topic as ofLog } from "../../../services/Settings.ts"
import { type TopicDescription, Topics } from "../../../services/Topics.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { formatRetention } from "../terminal/formatRetention.ts"
import { facts } from "../terminal/listing.ts"
import { counted, withActivity } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { ownedName, ownerFlag } from "../terminal/streamFlag.ts"
import { writtenInTransactions } from "../terminal/topicGaps.ts"

class NoSuchTopic extends Schema.TaggedError<NoSuchTopic>()("NoSuchTopic", { name: Schema.String }) {
  override get message() {
    return `The topic ${this.name} does not exist; run floe topics create to create the topics of the pipeline.`
  }
}

/** A group's position in the topic. A partition without a committed offset has no lag. */
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
      Argument.withDescription("Name of the topic; FLOE_TOPIC by default"),
      Argument.optional
    ),
    stream: ownerFlag,
    json
  },
  Effect.fn("floe topics describe")(function* ({ name, stream, json }) {
    const topics = yield* Topics
    const weatherTopic = yield* ofLog
    const ofStream = Option.isNone(stream) ? () => weatherTopic : (yield* topicNames).ofStream
    const wanted = yield* ownedName("floe topics describe", name, stream, ofStream)
    const missing = () => new NoSuchTopic({ name: wanted })
    const consumers = yield* ConsumerGroups
    const { retention, readers, description } = yield* Effect.gen(function* () {
      const retention = yield* Effect.mapError(Effect.fromOption(yield* topics.retention(wanted)), missing)
      const readers = yield* consumers.of(wanted)
      // After the groups, so that no group is ahead of the end.
      const description = yield* Effect.mapError(Effect.fromOption(yield* topics.describe(wanted)), missing)
      return { retention, readers, description }
    }).pipe(withActivity("Reading the topic and its consumer groups"))
    const groups = readers.map((group) => progressOf(description, group))
    const isWritten = yield* writtenInTransactions
    const atMost = retention.cleanup.includes("compact") || isWritten(wanted) ? "at most " : ""
    if (json) return yield* printJson({ ...description, retention, groups })
    yield* facts([
      ["topic", description.name],
      ["id", description.id],
      ["retention", formatRetention(retention)],
      ...description.partitions.map(
        ({ partition, replicas, start, end }) =>
          [
            `partition ${partition}`,
            `offsets ${start} to ${end} (${end > start ? atMost : ""}${plural(end - start, "event")}), ${plural(replicas, "replica")}`
          ] as const
      ),
      ...groups.map((group) => ["group", [group.id, ...linesOf(group)].join("\n")] as const)
    ])
  })
).pipe(
  Command.withDescription(
    "Show a topic's id, retention, and partitions with their offsets and replicas, and each of its consumer groups with its members, offsets and lag (the number of records it has yet to read). Offsets of a compacted topic, or of one that is written in transactions, do not all have a record, so those numbers are the most that there can be."
  ),
  Command.withShortDescription("Show a topic's partitions, offsets and consumer groups"),
  Command.withExamples([
    { command: "floe topics describe", description: "Show the topic of the log, and the position of the sink" },
    {
      command: "floe topics describe weather-dlq",
      description: "Show the dead-letter topic, which also records what was sent again"
    },
    { command: "floe topics describe --json", description: "Show it as JSON" }
  ]),
  Command.provide(Layer.mergeAll(Profile.layer("topics"), Profile.layer("consumerGroups"), Profile.layer("streams")))
)
