/** Whether `default.weather` is made from the topic that is here: by the id that the table keeps, or by what both hold. */

import { Effect, Option } from "effect"
import { sinkConnector } from "../../../services/Connector.ts"
import type { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import type { Position } from "../../../services/EventLog.ts"
import type { Query } from "../../../services/Query.ts"
import type { SinkCommits } from "../../../services/SinkCommits.ts"
import { weather } from "../../../services/TableReader.ts"
import { deadLettersOf, type TopicDescription, type Topics } from "../../../services/Topics.ts"
import * as LogId from "../../table/trino/logId.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import { placed } from "./rebuildProgress.ts"

export type Origin =
  | { readonly _tag: "SameTopic" }
  | { readonly _tag: "OtherTopic"; readonly named: string; readonly found: string }
  /** A table that names no topic. `agrees` if its rows are as many as the sink has read, give or take the dead letters. */
  | { readonly _tag: "NoTopicNamed"; readonly found: string; readonly agrees: boolean; readonly rows: number }

export interface OriginServices {
  readonly query: Query["Service"]
  readonly topics: Topics["Service"]
  readonly groups: ConsumerGroups["Service"]
  readonly commits: SinkCommits["Service"]
}

const count = (positions: ReadonlyArray<Position>, starts: ReadonlyMap<number, number>) =>
  positions.reduce((sum, { partition, offset }) => sum + offset - (starts.get(partition) ?? 0), 0)

const isWithin = (positions: ReadonlyArray<Position>, { partitions }: TopicDescription) =>
  positions.every(
    ({ partition, offset }) => offset <= (partitions.find((one) => one.partition === partition)?.end ?? 0)
  )

/** None without the topic. */
export const judge = Effect.fn("TableOrigin.judge")(function* (
  { query, topics, groups, commits }: OriginServices,
  topic: string
) {
  const named = yield* LogId.read(query, weather)
  const state = yield* RebuildTable.stateOf(query, weather)
  const told = Option.isSome(state) && Option.isSome(state.value.commit)
  const positions = told
    ? (yield* commits.positions([state.value.commit.value])).get(state.value.commit.value.id)
    : undefined
  const group = Option.getOrUndefined(yield* groups.find(`connect-${sinkConnector}`))
  // After what the table has: it only grows.
  const [log, dead] = yield* Effect.all([topics.describe(topic), topics.describe(deadLettersOf(topic))])
  if (Option.isNone(log)) return Option.none<Origin>()
  const { id: found, partitions } = log.value
  if (Option.isSome(named)) {
    return Option.some<Origin>(
      named.value === found ? { _tag: "SameTopic" } : { _tag: "OtherTopic", named: named.value, found }
    )
  }
  const rows = Option.match(state, { onNone: () => 0, onSome: ({ rows }) => rows })
  const read = told ? positions : (group?.offsets ?? []).filter((offset) => offset.topic === topic)
  if (read === undefined) return Option.some<Origin>({ _tag: "NoTopicNamed", found, agrees: false, rows })
  const starts = new Map(partitions.map(({ partition, start }) => [partition, start]))
  const refused = Option.match(dead, {
    onNone: () => 0,
    onSome: ({ partitions }) =>
      count(
        partitions.map(({ partition, end }) => ({ partition, offset: end })),
        new Map()
      )
  })
  const places = placed(read, partitions)
  const agrees =
    isWithin(read, log.value) && rows <= count(places, new Map()) && rows >= count(places, starts) - refused
  return Option.some<Origin>({ _tag: "NoTopicNamed", found, agrees, rows })
})
