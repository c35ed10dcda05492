/** Check of who has written to the table: only the sink, and maintenance, which leaves its rows as they are. */
import { Effect } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { describeChange } from "../../../../services/TableChecksums.ts"
import { weather } from "../../../../services/TableReader.ts"
import { find } from "../../../table/trino/otherWriters.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

const most = 3

export const writers = (advice: Effect.Effect<RebuildAdvice>) => ({
  name: "writers",
  ok: "No other writer has changed rows of the table since its oldest snapshot.",
  needs: ["table", "origin"],
  run: Effect.gen(function* () {
    const others = yield* find(weather)
    if (others.length === 0) return []
    const more = others.length > most ? [`${others.length - most} more`] : []
    const finding: Finding = {
      finding: `The table was changed by another writer: ${[...others.slice(-most).map(describeChange), ...more].join("; ")}.`,
      consequence: "The log does not have these changes: the table and the log differ by these rows.",
      fix: `If this was intended, do nothing. If not: ${(yield* advice).alone}`,
      warning: true
    }
    return [finding]
  })
})
