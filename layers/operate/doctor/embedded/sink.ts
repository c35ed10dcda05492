/** Check of the sink: that it runs, and brings what is logged into the table. */
import { statSync } from "node:fs"
import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { DataFolder } from "../../../../services/DataFolder.ts"
import type { EventLogReader } from "../../../../services/EventLog.ts"
import type { TableReader } from "../../../../services/TableReader.ts"
import { isDamage } from "../../../log/sqlite/logFailures.ts"
import type { ControlUnavailable } from "../../../sink/SinkControl.ts"
import { type SinkState, sinkState } from "../../status/sinkState.ts"
import { shellQuoted } from "./shellQuoted.ts"

const notWritten = "What is logged stays in the log and does not come into the table."
const start = "Start it: npm start, or node dist/sink.js"

const since = (millis: number) => new Date(millis).toISOString()

const ofState = (state: SinkState): Finding | undefined => {
  switch (state._tag) {
    case "Running":
      return undefined
    case "Paused":
      return { finding: "The sink is paused.", consequence: notWritten, fix: "floe connector resume" }
    case "Failed":
      return {
        finding: `The sink has failed: ${state.reason}`,
        consequence: notWritten,
        fix: `Do what the reason says. ${start}`
      }
    case "Silent":
      return {
        finding: `The sink (process ${state.processId}) holds its lock and has said nothing since ${since(state.heartbeatAt)}: it hangs.`,
        consequence: notWritten,
        fix: `kill -CONT ${state.processId} if it was stopped by hand, else kill -KILL ${state.processId}; then start it again: node dist/sink.js`
      }
    case "Mute":
      return {
        finding: `The sink (process ${state.processId}) cannot write in the data folder: ${state.reason}.`,
        consequence: notWritten,
        fix: "Do what the reason says. The sink goes on by itself; leave its process alone."
      }
    case "Died":
      return {
        finding: `The sink died; it was last heard of ${since(state.heartbeatAt)}.`,
        consequence: notWritten,
        fix: start
      }
    case "Stopped":
      return {
        finding: `The sink is not running; it was stopped ${since(state.heartbeatAt)}.`,
        consequence: notWritten,
        fix: start
      }
    case "Never":
      return { finding: "The sink was never started on this data.", consequence: notWritten, fix: start }
  }
}

/** The file that the sink shares with other programs; what is in it may be forgotten. */
const isDamaged = ({ control }: DataFolder["Service"], { cause }: ControlUnavailable) =>
  (statSync(control, { throwIfNoEntry: false })?.isDirectory() ?? false) ||
  isDamage(cause instanceof Error ? (cause.cause ?? cause) : cause)

const damagedControl = ({ control }: DataFolder["Service"], { reason }: ControlUnavailable): Finding => ({
  finding: `The file by which other programs speak with the sink cannot be used: ${reason}.`,
  consequence: "Nobody can see whether the sink runs, pause it or ask it to maintain the table.",
  fix: `Stop the sink, remove the file, and start the sink again, which makes a new one (a pause is forgotten): rm -rf ${["", "-wal", "-shm"].map((end) => shellQuoted(`${control}${end}`)).join(" ")}`
})

export interface SinkOptions {
  readonly folder: DataFolder["Service"]
  readonly log: EventLogReader["Service"]
  readonly table: TableReader["Service"]
  /** How long an event may be in the log and not in the table. */
  readonly commitLagLimit: Duration.Duration
}

export const sink = ({ folder, log, table, commitLagLimit }: SinkOptions): Check => ({
  name: "sink",
  needs: ["data"],
  ok: `The sink runs, and nothing has waited for it for more than ${Duration.format(commitLagLimit)}.`,
  run: Effect.gen(function* () {
    const found = ofState(yield* sinkState(folder))
    if (found !== undefined) return [found]
    const current = yield* Effect.option(table.current)
    // What is wrong with the table another check says.
    if (Option.isNone(current)) return []
    const committed = Option.getOrUndefined(current.value)?.log?.positions[0]?.offset ?? 0
    const { end = 0 } = (yield* log.bounds).partitions[0] ?? {}
    if (committed >= end) return []
    const oldest = yield* Stream.runHead(log.read({ partition: 0, offset: committed }, { until: "end" }))
    const now = yield* Clock.currentTimeMillis
    const waiting = Option.match(oldest, { onNone: () => 0, onSome: ({ acceptedAt }) => now - acceptedAt })
    if (waiting <= Duration.toMillis(commitLagLimit)) return []
    const finding: Finding = {
      finding: `The sink runs and commits nothing: event ${committed} has been in the log for ${Math.round(waiting / 1000)} s; so many are not in the table: ${end - committed}.`,
      consequence: "Queries do not see what was logged since.",
      fix: "Read what the sink says (its output names the reason); if it is only catching up, floe status --watch shows the lag shrink."
    }
    return [finding]
  }).pipe(
    Effect.catchIf(
      (error) => error._tag === "ControlUnavailable" && isDamaged(folder, error),
      (error) => Effect.succeed(error._tag === "ControlUnavailable" ? [damagedControl(folder, error)] : [])
    )
  )
})
