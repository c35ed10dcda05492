/** Check of the log: that it is whole, and the one that the table is made from. */
import { existsSync } from "node:fs"
import { Effect, Option, Stream } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { DataFolder } from "../../../../services/DataFolder.ts"
import { type EventLogReader, isSameLog, type LogCorrupt } from "../../../../services/EventLog.ts"
import type { TableReader } from "../../../../services/TableReader.ts"
import { shellQuoted } from "./shellQuoted.ts"

/** The newest events; some 300 ms. */
const eventsRead = 100_000

const restore =
  "Stop the server, move the data folder away, and restore the newest backup: floe restore <folder>. Without one, keep the files as they are: they may hold all that is left."

const broken = ({ message }: LogCorrupt): Finding => ({
  finding: message,
  consequence: "The sink does not go on past it, and a server does not start on it.",
  fix: `${restore} What the table has of it stays (floe query).`
})

export const log = (
  folder: DataFolder["Service"],
  log: EventLogReader["Service"],
  table: TableReader["Service"]
): Check => ({
  name: "log",
  needs: ["data"],
  ok: "The log is whole, as far as its newest 100,000 events tell, and the one in the table (floe audit reads all).",
  run: Effect.gen(function* () {
    // What is wrong with the table another check says.
    const current = Option.flatten(yield* Effect.option(table.current))
    const committed = Option.getOrUndefined(current)?.log
    if (!existsSync(folder.log) && !existsSync(folder.logHighWaterMark) && committed == null) return []
    const bounds = yield* log.bounds
    const { logId, partitions } = bounds
    const { start = 0, end = 0 } = partitions[0] ?? {}
    if (committed != null && !isSameLog(bounds, committed.logId ?? "", committed.positions[0]?.offset ?? 0)) {
      const finding: Finding = {
        finding: `The table was written from another log (id ${committed.logId}) than the one at ${folder.log} (id ${logId}).`,
        consequence: "The sink refuses to write, and the table gets no new events.",
        fix: `Put that log back, or move ${folder.table} away: the sink makes a new table from this log.`
      }
      return [finding]
    }
    const committedTo = committed?.positions[0]?.offset ?? 0
    if (committedTo > end) {
      const finding: Finding = {
        finding: `The log ends at offset ${end}, and the table holds it up to ${committedTo}: events were lost from the log.`,
        consequence: "The sink refuses to write, and the table gets no new events.",
        fix: restore
      }
      return [finding]
    }
    if (end > 0 && !existsSync(folder.logHighWaterMark)) {
      const finding: Finding = {
        finding: `${folder.logHighWaterMark} is missing: nothing tells whether the log has lost its newest events, as a copy of log.db alone has.`,
        consequence: "A server does not start on it.",
        fix: `Put log.end and log.db-wal back if you have them, or move the data folder away and restore a backup (floe restore <folder>). To accept the log as it is: touch ${shellQuoted(folder.logHighWaterMark)}`
      }
      return [finding]
    }
    const from = Math.max(start, end - eventsRead)
    if (from < end) yield* Stream.runDrain(log.read({ partition: 0, offset: from }, { until: "end" }))
    return []
  }).pipe(
    Effect.catchIf(
      (error) => error._tag === "LogCorrupt",
      (error) => Effect.succeed([broken(error)])
    )
  )
})
