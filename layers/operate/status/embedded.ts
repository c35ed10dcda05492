import { Clock, Effect, Layer, Option, Stream } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { Components } from "../../../services/Components.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { Query } from "../../../services/Query.ts"
import * as LogTarget from "../../ingest/embeddedTarget.ts"
import { addressOf, health, otherLog } from "../../ingest/health.ts"
import { type Probed, probeComponent } from "../probes/probeComponent.ts"
import { type SinkState, sinkState } from "./sinkState.ts"

const ofSink = (state: SinkState, now: number): Probed => {
  const ago = (millis: number) => `${Math.max(0, Math.round((now - millis) / 1000))} s ago`
  switch (state._tag) {
    case "Running":
      return { state: "up", detail: `process ${state.processId}` }
    case "Paused":
      return { state: "paused", detail: `process ${state.processId}, paused on request` }
    case "Impaired":
      return { state: "down", detail: `process ${state.processId}, weather: ${state.reason}` }
    case "Failed":
      return { state: "down", detail: `failed: ${state.reason}` }
    case "Stopped":
      return { state: "down", detail: `stopped ${ago(state.heartbeatAt)}` }
    case "Died":
      return { state: "down", detail: `died, last heartbeat ${ago(state.heartbeatAt)}` }
    case "Silent":
      return { state: "down", detail: `process ${state.processId} hangs, last heartbeat ${ago(state.heartbeatAt)}` }
    case "Mute":
      return { state: "down", detail: `process ${state.processId} cannot write: ${state.reason}` }
    case "Never":
      return { state: "down", detail: "was never started on this data" }
  }
}

export const layer = Layer.effect(
  Components,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const log = yield* EventLogReader
    const query = yield* Query
    const target = yield* LogTarget.make

    const server = Effect.gen(function* () {
      const { label, url } = yield* target.find
      const { logId, version, notReady } = yield* health(url, label)
      const bounds = yield* Effect.option(log.bounds)
      const other = Option.isSome(bounds) ? otherLog(logId, bounds.value.logId) : undefined
      if (other !== undefined) return { state: "down", version, detail: `at ${label}: ${other}` } satisfies Probed
      if (notReady !== null)
        return { state: "down", version, detail: `accepts no events: ${notReady}` } satisfies Probed
      return { state: "up", version, detail: addressOf(url) } satisfies Probed
    }).pipe(Effect.provide(FetchHttpClient.layer))
    const events = Effect.as(log.bounds, {
      state: "up",
      version: `SQLite ${process.versions.sqlite}`,
      detail: folder.log
    } as const)
    const sink = Effect.gen(function* () {
      const state = yield* Effect.provideService(sinkState, DataFolder, folder)
      return ofSink(state, yield* Clock.currentTimeMillis)
    })
    const engine = Effect.gen(function* () {
      const { rows } = yield* query.execute("SELECT version()")
      const [[version] = []] = yield* Stream.runCollect(rows)
      return { state: "up", version: `DuckDB ${version}`, detail: folder.table } as const
    }).pipe(Effect.scoped)

    const probe = Effect.all(
      [
        probeComponent("server", server),
        probeComponent("log", events),
        probeComponent("sink", sink),
        probeComponent("query", engine)
      ],
      { concurrency: "unbounded" }
    ).pipe(Effect.withSpan("Components.probe"))
    return Components.of({ probe })
  })
)
