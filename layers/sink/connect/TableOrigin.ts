/** Decides whether `default.weather` was built from the present topic: by the topic id among its properties, or by comparing both. */
import { Effect, Option } from "effect"
import { sinkConnector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import type { Position } from "../../../services/EventLog.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { weather } from "../../../services/TableReader.ts"
import { deadLettersOf, type TopicDescription, Topics } from "../../../services/Topics.ts"
import * as LogId from "../../table/trino/logId.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import { startingPositions } from "./rebuildProgress.ts"

export type Origin =
  | { readonly _tag: "SameTopic" }
  | { readonly _tag: "OtherTopic"; readonly tableTopicId: string; readonly topicId: string }
  /** The table has no topic id. `agrees` if it has as many rows as the sink has read, except for the dead letters. */
  | { readonly _tag: "NoTopicNamed"; readonly topicId: string; readonly agrees: boolean; readonly rows: number }

const count = (positions: ReadonlyArray<Position>, starts: ReadonlyMap<number, number>) =>
  positions.reduce((sum, { partition, offset }) => sum + offset - (starts.get(partition) ?? 0), 0)

const isWithin = (positions: ReadonlyArray<Position>, { partitions }: TopicDescription) =>
  positions.every(
    ({ partition, offset }) => offset <= (partitions.find((one) => one.partition === partition)?.end ?? 0)
  )

/** None if there is no such topic. */
export const judge = Effect.fn("TableOrigin.judge")(function* (topic: string) {
  const topics = yield* Topics
  const groups = yield* ConsumerGroups
  const sinkCommits = yield* SinkCommits
  const named = yield* LogId.read(weather)
  const state = yield* RebuildTable.state(weather)
  const hasCommit = Option.isSome(state) && Option.isSome(state.value.commit)
  const positions = hasCommit
    ? (yield* sinkCommits.positions([state.value.commit.value])).get(state.value.commit.value.id)
    : undefined
  const group = Option.getOrUndefined(yield* groups.find(`connect-${sinkConnector}`))
  // Read after the table's state, as the topic only grows.
  const [log, dead] = yield* Effect.all([topics.describe(topic), topics.describe(deadLettersOf(topic))])
  if (Option.isNone(log)) return Option.none<Origin>()
  const { id: topicId, partitions } = log.value
  if (Option.isSome(named)) {
    return Option.some<Origin>(
      named.value === topicId ? { _tag: "SameTopic" } : { _tag: "OtherTopic", tableTopicId: named.value, topicId }
    )
  }
  const rows = Option.match(state, { onNone: () => 0, onSome: ({ rows }) => rows })
  const read = hasCommit ? positions : (group?.offsets ?? []).filter((offset) => offset.topic === topic)
  if (read === undefined) return Option.some<Origin>({ _tag: "NoTopicNamed", topicId, agrees: false, rows })
  const starts = new Map(partitions.map(({ partition, start }) => [partition, start]))
  const rejected = Option.match(dead, {
    onNone: () => 0,
    onSome: ({ partitions }) =>
      count(
        partitions.map(({ partition, end }) => ({ partition, offset: end })),
        new Map()
      )
  })
  const current = startingPositions(read, partitions)
  const agrees =
    isWithin(read, log.value) && rows <= count(current, new Map()) && rows >= count(current, starts) - rejected
  return Option.some<Origin>({ _tag: "NoTopicNamed", topicId, agrees, rows })
})
