/** Check of the sink: it runs, and commits new events to the table. */
import { statSync } from "node:fs"
import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { connectorOf } from "../../../../services/Connector.ts"
import { DataFolder } from "../../../../services/DataFolder.ts"
import { EventLogReader, type LogReader } from "../../../../services/EventLog.ts"
import { StreamSinks } from "../../../../services/StreamSinks.ts"
import { TableReader, weather } from "../../../../services/TableReader.ts"
import { isDamage } from "../../../log/sqlite/logFailures.ts"
import type { ControlUnavailable } from "../../../sink/SinkControl.ts"
import { type SinkState, sinkState } from "../../status/sinkState.ts"
import { shellQuoted } from "./shellQuoted.ts"

const notWritten = "New events stay in the log and do not reach the table."
/** Of a stream that cannot be written, and of weather. */
const onlyOne = "Other streams are not affected. What is not in the table is in the log."
const unmerged = "No event is missing in the table, but its small files slow queries down."
const retries = "Fix the cause. The sink tries again by itself, at most 30 s later, and continues where it stopped."
const start = "Start it: npm start, or node dist/sink.js"

const since = (millis: number) => new Date(millis).toISOString()

const ofState = (state: SinkState): Finding | undefined => {
  switch (state._tag) {
    case "Running":
      return undefined
    case "Paused":
      return { finding: "The sink is paused.", consequence: notWritten, fix: "floe connector resume" }
    case "Impaired":
      return {
        finding: `The sink (process ${state.processId}) reports for weather: ${state.reason}`,
        consequence: onlyOne,
        fix: retries
      }
    case "Failed":
      return {
        finding: `The sink has failed: ${state.reason}`,
        consequence: notWritten,
        fix: `Fix the cause. ${start}`
      }
    case "Silent":
      return {
        finding: `The sink (process ${state.processId}) holds its lock and has sent no heartbeat since ${since(state.heartbeatAt)}: it hangs.`,
        consequence: notWritten,
        fix: `If it was suspended by hand, kill -CONT ${state.processId}. Otherwise kill -KILL ${state.processId}, then start it again: node dist/sink.js`
      }
    case "Mute":
      return {
        finding: `The sink (process ${state.processId}) cannot write in the data folder: ${state.reason}.`,
        consequence: notWritten,
        fix: "Fix the cause. The sink then continues by itself; leave its process alone."
      }
    case "Died":
      return {
        finding: `The sink died; its last heartbeat was at ${since(state.heartbeatAt)}.`,
        consequence: notWritten,
        fix: start
      }
    case "Stopped":
      return {
        finding: `The sink is not running; it was stopped at ${since(state.heartbeatAt)}.`,
        consequence: notWritten,
        fix: start
      }
    case "Never":
      return { finding: "The sink was never started on this data.", consequence: notWritten, fix: start }
  }
}

/** Nothing in the file that the sink shares with other programs is needed. */
const isDamaged = ({ controlDatabase }: DataFolder["Service"], { cause }: ControlUnavailable) =>
  (statSync(controlDatabase, { throwIfNoEntry: false })?.isDirectory() ?? false) ||
  isDamage(cause instanceof Error ? (cause.cause ?? cause) : cause)

const damagedControl = ({ controlDatabase }: DataFolder["Service"], { reason }: ControlUnavailable): Finding => ({
  finding: `The file through which other programs control the sink cannot be used: ${reason}.`,
  consequence: "No program can see whether the sink runs, pause it, or ask it to maintain the table.",
  fix: `Stop the sink, remove the file, and start the sink again; it creates a new one, and a pause is lost: rm -rf ${["", "-wal", "-shm"].map((end) => shellQuoted(`${controlDatabase}${end}`)).join(" ")}`
})

/** Of a stream that the sink is behind with; `committed` is the offset up to which its table has the log. */
const behind = Effect.fnUntraced(function* (log: LogReader, committed: number, limit: Duration.Duration) {
  const { end = 0 } = (yield* log.bounds).partitions[0] ?? {}
  if (committed >= end) return undefined
  const oldest = yield* Stream.runHead(log.read({ partition: 0, offset: committed }, { until: "end" }))
  const now = yield* Clock.currentTimeMillis
  const waiting = Option.match(oldest, { onNone: () => 0, onSome: ({ acceptedAt }) => now - acceptedAt })
  return waiting <= Duration.toMillis(limit) ? undefined : { end, seconds: Math.round(waiting / 1000) }
})

const lookAtOutput =
  "Read the sink's output, which names the reason; if it is only catching up, floe status --watch shows the lag shrink."

/** Of a stream beside weather; whether the sink runs at all is the sink's own check. */
export const sinkOf = (stream: string, commitLagLimit: Duration.Duration) => ({
  name: `sink of ${stream}`,
  needs: ["sink"],
  ok: `No event of the stream ${stream} has waited for the sink for more than ${Duration.format(commitLagLimit)}.`,
  run: Effect.gen(function* () {
    const sinks = yield* StreamSinks
    if ((yield* sinks.paused).includes(stream)) {
      const paused: Finding = {
        finding: `The stream ${stream} is paused.`,
        consequence: notWritten,
        fix: `floe connector resume ${connectorOf(stream)}`
      }
      return [paused]
    }
    const failure = (yield* sinks.failures).get(stream)
    if (failure !== undefined) {
      const failing: Finding = {
        finding: `The sink reports for the stream ${stream}: ${failure.reason}`,
        consequence: failure.isWritten ? unmerged : onlyOne,
        fix: retries
      }
      return [failing]
    }
    const current = yield* Effect.option(sinks.current(stream))
    // A table that cannot be read is another check's finding.
    if (Option.isNone(current)) return []
    const committed = Option.getOrUndefined(current.value)?.log?.positions[0]?.offset ?? 0
    const late = yield* behind((yield* EventLogReader).of(stream), committed, commitLagLimit)
    if (late === undefined) return []
    const finding: Finding = {
      finding: `The sink commits nothing of the stream ${stream}: event ${committed} has been in the log for ${late.seconds} s; events not in the table: ${late.end - committed}.`,
      consequence: "Queries do not see the events logged since then.",
      fix: lookAtOutput
    }
    return [finding]
  })
})

const ifDamaged = Effect.fnUntraced(function* (error: ControlUnavailable) {
  const folder = yield* DataFolder
  return isDamaged(folder, error) ? [damagedControl(folder, error)] : yield* error
})

const ofWeather = (commitLagLimit: Duration.Duration) =>
  Effect.gen(function* () {
    const state = ofState(yield* sinkState)
    if (state !== undefined) return [state]
    const current = yield* Effect.option((yield* TableReader).current)
    // A table that cannot be read is another check's finding.
    if (Option.isNone(current)) return []
    const committed = Option.getOrUndefined(current.value)?.log?.positions[0]?.offset ?? 0
    const late = yield* behind(yield* EventLogReader, committed, commitLagLimit)
    if (late === undefined) return []
    const finding: Finding = {
      finding: `The sink is running but commits nothing: event ${committed} has been in the log for ${late.seconds} s; events not in the table: ${late.end - committed}.`,
      consequence: "Queries do not see the events logged since then.",
      fix: lookAtOutput
    }
    return [finding]
  })

/** `commitLagLimit`: how long an event may be in the log but not in the table. */
export const sink = (commitLagLimit: Duration.Duration) => ({
  name: "sink",
  needs: ["data"],
  ok: `The sink runs, and no event has waited for it for more than ${Duration.format(commitLagLimit)}.`,
  run: Effect.catchIf(ofWeather(commitLagLimit), (error) => error._tag === "ControlUnavailable", ifDamaged)
})

/** Where there are other streams, which the sink may write although it does not write weather. */
export const sinkRuns = {
  name: "sink",
  needs: ["data"],
  ok: "The sink runs.",
  run: sinkState.pipe(
    Effect.map((state) => {
      const finding = state._tag === "Paused" || state._tag === "Impaired" ? undefined : ofState(state)
      return finding === undefined ? [] : [finding]
    }),
    Effect.catchIf((error) => error._tag === "ControlUnavailable", ifDamaged)
  )
}

export const sinkOfWeather = (commitLagLimit: Duration.Duration) => ({
  name: `sink of ${weather}`,
  needs: ["sink"],
  ok: `No event of ${weather} has waited for the sink for more than ${Duration.format(commitLagLimit)}.`,
  run: ofWeather(commitLagLimit)
})
