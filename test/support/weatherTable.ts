import { Effect } from "effect"
import { TableWriter } from "../../services/TableWriter.ts"
import type { WeatherRecord } from "../../services/Weather.ts"

export const reading = (city: string, temperature: string, ts: string): WeatherRecord => ({ city, temperature, ts })

/** Commits these rows to the table as one snapshot. */
export const commitRows = Effect.fnUntraced(function* (rows: ReadonlyArray<WeatherRecord>) {
  const table = yield* TableWriter
  const before = yield* table.committed
  const offset = before._tag === "Some" ? before.value.progress.offset : 0
  yield* table.stage(rows)
  return yield* table.commit({ logId: "a-log", offset: offset + rows.length })
})
