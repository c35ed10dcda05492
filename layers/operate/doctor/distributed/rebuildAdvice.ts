/** How to repair a table that the sink cannot continue with: commands that can be run as they are. */
import { Effect, Predicate, Stream } from "effect"
import { Connector } from "../../../../services/Connector.ts"
import { Query } from "../../../../services/Query.ts"
import { tableOf } from "../../../sink/connect/rebuildConnector.ts"

export interface RebuildAdvice {
  /** From the topic, which has all of it. */
  readonly plain: string
  /** The same, after copying the rows that only the table has to another table. */
  readonly keeping: string
  /** The same, without what other programs have changed. */
  readonly alone: string
}

/** A name that no table has yet. */
const free = (name: string, taken: ReadonlySet<unknown>) => {
  let candidate = name
  for (let i = 2; taken.has(candidate); i++) candidate = `${name}_${i}`
  return candidate
}

/** Resumes an interrupted rebuild; otherwise starts one into a table that does not exist yet. */
export const rebuildAdvice = Effect.gen(function* () {
  const { rows } = yield* (yield* Query).execute("SHOW TABLES FROM iceberg.default")
  const taken = new Set((yield* Stream.runCollect(rows)).flatMap(([name]) => (Predicate.isString(name) ? [name] : [])))
  const [unfinished] = (yield* (yield* Connector).names).flatMap(tableOf)
  return { again: unfinished ?? free("weather_again", taken), before: free("weather_before", taken) }
}).pipe(
  Effect.scoped,
  // Trino or Kafka Connect is down then, which another check finds.
  Effect.orElseSucceed(() => ({ again: "weather_again", before: "weather_before" })),
  Effect.map(({ again, before }): RebuildAdvice => {
    const rebuild = `floe rebuild --into ${again} --promote`
    return {
      plain: `\`${rebuild}\` rebuilds the table from the topic.`,
      keeping: `\`floe query "CREATE TABLE ${before} AS SELECT * FROM weather"\` keeps a copy of the whole table, and then \`${rebuild} --discard-missing-rows --discard-other-writers\` rebuilds it from the topic, which has fewer rows.`,
      alone: `\`${rebuild} --discard-other-writers\` rebuilds the table from the topic, without these changes.`
    }
  })
)
