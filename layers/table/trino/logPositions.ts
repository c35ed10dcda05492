/** How much of the log a table holds after a commit of the sink. */
import { Effect } from "effect"
import type { Position } from "../../../services/EventLog.ts"
import { type SinkCommit, SinkCommits } from "../../../services/SinkCommits.ts"
import { weather } from "../../../services/TableReader.ts"
import { controlTopicOf } from "../../../services/Topics.ts"
import { columns } from "../../../services/Weather.ts"
import * as TableColumns from "./tableColumns.ts"

/** The table of a rebuild has another name than its stream; only weather's columns tell whose it is. */
const isRebuiltWeather = (table: string) =>
  Effect.map(TableColumns.read(table), (actual) => actual.map(({ name }) => name).join() === columns.join())

/** By the commit's id. Without those of a table that was rebuilt from a stream other than weather. */
export const positionsIn = Effect.fnUntraced(function* (table: string, commits: ReadonlyArray<SinkCommit>) {
  const { positions } = yield* SinkCommits
  if (table === weather) return yield* positions(commits)
  const own = commits.filter(({ controlTopic }) => controlTopic === controlTopicOf(table))
  if (own.length > 0 || commits.length === 0) return yield* positions(own, table)
  const none: ReadonlyMap<string, ReadonlyArray<Position>> = new Map()
  return (yield* isRebuiltWeather(table)) ? yield* positions(commits) : none
})
