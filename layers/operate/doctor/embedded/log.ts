/** Check of the log: it is intact, and the table was built from it. */
import { existsSync } from "node:fs"
import { Effect, Option, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { DataFolder } from "../../../../services/DataFolder.ts"
import { EventLogReader, isSameLog, type LogCorrupt, type LogReader } from "../../../../services/EventLog.ts"
import { StreamSinks } from "../../../../services/StreamSinks.ts"
import { TableReader, type TableSnapshot } from "../../../../services/TableReader.ts"
import { folderOf } from "../../../sink/StreamSink.ts"
import { shellQuoted } from "./shellQuoted.ts"

/** The newest events; some 300 ms. */
const eventsRead = 100_000

const restore =
  "Stop the server, move the data folder away, and restore the newest backup: floe restore <folder>. Without one, keep the files as they are: they may be all that is left."

const broken = ({ message }: LogCorrupt): Finding => ({
  finding: message,
  consequence: "The sink stops before it, and a server does not start on this log.",
  fix: `${restore} The rows that are already in the table stay there (floe query).`
})

/** Of a stream's log. The folder's table is that of the stream. */
const check = <E, R>(log: LogReader, snapshot: Effect.Effect<Option.Option<TableSnapshot>, E, R>) =>
  Effect.gen(function* () {
    const folder = yield* DataFolder
    // A table that cannot be read is another check's finding.
    const current = Option.flatten(yield* Effect.option(snapshot))
    const committed = Option.getOrUndefined(current)?.log
    if (!existsSync(folder.log) && !existsSync(folder.logHighWaterMark) && committed == null) return []
    const bounds = yield* log.bounds
    const { logId, partitions } = bounds
    const { start = 0, end = 0 } = partitions[0] ?? {}
    if (committed != null && !isSameLog(bounds, committed.logId ?? "", committed.positions[0]?.offset ?? 0)) {
      const finding: Finding = {
        finding: `The table was written from another log (id ${committed.logId}) than the one at ${folder.log} (id ${logId}).`,
        consequence: "The sink does not write the table, which gets no new events.",
        fix: `Restore that log, or move ${folder.table} away: the sink then builds a new table from this log.`
      }
      return [finding]
    }
    const committedTo = committed?.positions[0]?.offset ?? 0
    if (committedTo > end) {
      const finding: Finding = {
        finding: `The log ends at offset ${end}, and the table holds it up to ${committedTo}: events were lost from the log.`,
        consequence: "The sink does not write the table, which gets no new events.",
        fix: restore
      }
      return [finding]
    }
    if (end > 0 && !existsSync(folder.logHighWaterMark)) {
      const finding: Finding = {
        finding: `${folder.logHighWaterMark} is missing: without it, Floe cannot tell whether the log has lost its newest events (a copy of log.db alone lacks them).`,
        consequence: "A server does not start on it.",
        fix: `Restore log.end and log.db-wal if you have them, or move the data folder away and restore a backup (floe restore <folder>). To accept the log as it is: touch ${shellQuoted(folder.logHighWaterMark)}`
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

export const log = {
  name: "log",
  needs: ["data"],
  ok: "The newest 100,000 events of the log are intact, and the table was built from this log (floe audit reads all of it).",
  run: Effect.gen(function* () {
    return yield* check(yield* EventLogReader, (yield* TableReader).current)
  })
}

/** Of a stream beside weather. */
export const logOf = (stream: string) => ({
  name: `log of ${stream}`,
  needs: ["data"],
  ok: `The newest 100,000 events of the stream ${stream} are intact, and its table was built from this log (floe audit --stream ${stream} reads all of it).`,
  run: Effect.gen(function* () {
    return yield* check((yield* EventLogReader).of(stream), (yield* StreamSinks).current(stream)).pipe(
      Effect.provideService(DataFolder, folderOf(yield* DataFolder, stream))
    )
  })
})
