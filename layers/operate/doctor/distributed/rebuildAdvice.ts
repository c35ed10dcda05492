/** What mends a table with which the sink cannot go on: commands that can be given as they are. */
import { Effect, Predicate, Stream } from "effect"
import type { Connector } from "../../../../services/Connector.ts"
import type { Query } from "../../../../services/Query.ts"
import { tableOf } from "../../../sink/connect/rebuildConnector.ts"

export interface RebuildAdvice {
  /** From the topic, which has all of it. */
  readonly plain: string
  /** The same, with the rows that only the table has in a table of their own. */
  readonly keeping: string
  /** The same, without what other programs have changed. */
  readonly alone: string
}

/** A name that no table has yet. */
const free = (name: string, taken: ReadonlySet<unknown>) => {
  let found = name
  for (let i = 2; taken.has(found); i++) found = `${name}_${i}`
  return found
}

/** A replay that was broken off goes on; else one into a table that is not there yet. */
export const rebuildAdvice = Effect.fnUntraced(
  function* (query: Query["Service"], connector: Connector["Service"]) {
    const { rows } = yield* query.execute("SHOW TABLES FROM iceberg.default")
    const taken = new Set(
      (yield* Stream.runCollect(rows)).flatMap(([name]) => (Predicate.isString(name) ? [name] : []))
    )
    const [unfinished] = (yield* connector.names).flatMap(tableOf)
    return { again: unfinished ?? free("weather_again", taken), before: free("weather_before", taken) }
  },
  Effect.scoped,
  // It is one of these that is down, and another check says so.
  Effect.orElseSucceed(() => ({ again: "weather_again", before: "weather_before" })),
  Effect.map(({ again, before }): RebuildAdvice => {
    const replay = `floe replay --into ${again} --swap`
    return {
      plain: `\`${replay}\` makes the table again from the topic.`,
      keeping: `\`floe query "CREATE TABLE ${before} AS SELECT * FROM weather"\` keeps all that the table has, and then \`${replay} --discard-missing-rows --discard-other-writers\` makes it again from the topic, which has less.`,
      alone: `\`${replay} --discard-other-writers\` makes the table again from the topic, without these changes.`
    }
  })
)
