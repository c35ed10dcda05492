/** Check of the table of a stream beside weather: its columns, its partitioning, and the topic that it was built from. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import type { AppliedStream } from "../../../../services/StreamDefinition.ts"
import { Topics } from "../../../../services/Topics.ts"
import * as LogId from "../../../table/trino/logId.ts"
import * as StreamTable from "../../../table/trino/streamTable.ts"
import { quoted } from "../../../table/trino/trinoTypes.ts"

const rebuildOf = (stream: string) =>
  `\`floe rebuild --stream ${stream} --into ${stream}_again --promote\` rebuilds it from the topic.`

const dropped = (stream: string): Finding => ({
  finding: `There is no table default.${stream}.`,
  consequence: "New events stay in the topic, and floe streams apply refuses to change the stream.",
  fix: rebuildOf(stream)
})

/** In the statement that undoes it, quotes are as a shell needs them. */
const shell = (sql: string) => `\`floe query '${sql.replaceAll("'", `'\\''`)}'\``

const altered = (
  stream: string,
  conflicts: ReadonlyArray<string>,
  steps: ReadonlyArray<{ readonly what: string; readonly statement: string }>
): Finding => ({
  finding: `Somebody altered the table default.${stream}: ${[...conflicts, ...steps.map(({ what }) => `it needs ${what}`)].join("; ")}.`,
  consequence: "The sink may fail on it or drop values, and floe streams apply refuses to change the stream.",
  fix:
    conflicts.length > 0
      ? rebuildOf(stream)
      : `${steps.map(({ statement }) => shell(statement)).join(" and ")} ${steps.length > 1 ? "undo" : "undoes"} that; values that were dropped come back only with a rebuild: ${rebuildOf(stream)}`
})

const foreignColumns = (stream: string, foreign: ReadonlyArray<string>): Finding => ({
  finding: `The table default.${stream} has columns that the stream does not have: ${foreign.join(", ")}.`,
  consequence: "They are NULL in every row that the sink writes.",
  fix: `If nobody needs them: ${foreign.map((name) => shell(`ALTER TABLE iceberg.default.${quoted(stream)} DROP COLUMN ${name.split(".").map(quoted).join(".")}`)).join(" and ")}`,
  warning: true
})

const ofOtherTopic = (stream: string, topicId: string, tableTopicId: string): Finding => ({
  finding: `The topic ${stream} (id ${topicId}) is not the one that the table default.${stream} was built from (id ${tableTopicId}), which was deleted.`,
  consequence:
    "The table's rows from the deleted topic are no longer in any log, so nothing can verify or rebuild them.",
  fix: "Restore Kafka's volumes from a copy that has it."
})

/** `isChanging`: an apply has begun to change it, and another check reports that. */
export const tableOf = (applied: AppliedStream, bucket: string, isChanging: boolean) => {
  const { name } = applied.definition
  return {
    name: `table of ${name}`,
    ok: `The table default.${name} has the columns and the partitioning of version ${applied.version}, and was built from the current topic.`,
    needs: ["trino", "metastore", "postgres", "storage"],
    run: Effect.gen(function* () {
      const table = Option.getOrUndefined(yield* StreamTable.compare(applied, bucket))
      if (table === undefined) return [dropped(name)]
      const [recorded, topic] = yield* Effect.all([LogId.read(name), (yield* Topics).describe(name)], {
        concurrency: 2
      })
      const { conflicts, foreign } = table
      const steps = table.steps.filter(({ statement }) => !statement.startsWith("COMMENT "))
      const isOther =
        Option.isSome(recorded) && Option.isSome(topic) && recorded.value !== topic.value.id
          ? [ofOtherTopic(name, topic.value.id, recorded.value)]
          : []
      if (isChanging) return isOther
      return [
        ...(conflicts.length + steps.length > 0 ? [altered(name, conflicts, steps)] : []),
        ...(foreign.length > 0 ? [foreignColumns(name, foreign)] : []),
        ...isOther
      ]
    })
  }
}
