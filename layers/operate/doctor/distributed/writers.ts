/** Check of who has written to the table: the sink, and upkeep, which leaves its rows as they are. */
import { Effect } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import { Query } from "../../../../services/Query.ts"
import { describeChange } from "../../../../services/TableChecksums.ts"
import { find } from "../../../table/trino/otherWriters.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

const most = 3

export const writers = (query: Query["Service"], anew: Effect.Effect<RebuildAdvice>): Check => ({
  name: "writers",
  ok: "Nobody but the sink has changed rows of the table, as far as its snapshots tell.",
  needs: ["table", "origin"],
  run: Effect.gen(function* () {
    const others = yield* Effect.provideService(find, Query, query)
    if (others.length === 0) return []
    const more = others.length > most ? [`${others.length - most} more`] : []
    const finding: Finding = {
      finding: `The table was changed by another writer: ${[...others.slice(-most).map(describeChange), ...more].join("; ")}.`,
      consequence: "The log knows nothing of it: the table and the log differ by these rows.",
      fix: `Nothing, if it was meant. If not: ${(yield* anew).alone}`,
      warning: true
    }
    return [finding]
  })
})
