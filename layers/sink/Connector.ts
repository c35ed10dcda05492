/** Presents the embedded sink as a connector with one task; its commands go through the control database. */
import { hostname } from "node:os"
import { Effect, Layer, Option } from "effect"
import {
  Connector,
  ConnectorMissing,
  ConnectRejected,
  ConnectUnavailable,
  connectorOf,
  sinkConnector
} from "../../services/Connector.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { livenessOf } from "./heartbeat.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { SinkControl, type SinkStatus } from "./SinkControl.ts"

const states = { running: "RUNNING", paused: "PAUSED", failed: "FAILED", stopped: "STOPPED" } as const

const unsupported = (operation: string, reason: string) => Effect.fail(new ConnectRejected({ operation, reason }))
const unavailable = (operation: string) =>
  Effect.mapError(
    (cause: { readonly message: string }) =>
      new ConnectUnavailable({ operation, reason: cause.message.replace(/\.$/, ""), cause })
  )

const streamsOf = Effect.gen(function* () {
  const all = yield* unavailable("streams")((yield* Streams).all)
  return all.map(({ definition }) => definition.name)
})

/** The stream of a connector. */
const streamOf = Effect.fnUntraced(function* (name: string) {
  if (name === sinkConnector) return weather
  const streams = yield* streamsOf
  const stream = streams.find((stream) => connectorOf(stream) === name)
  return stream ?? (yield* new ConnectorMissing({ name, only: streams.map(connectorOf) }))
})

const status = Effect.fn("Connector.status")(function* (name: string) {
  const stream = yield* streamOf(name)
  const control = yield* SinkControl
  const report = Option.getOrUndefined(yield* unavailable("status")(control.status))
  const isAlive = report !== undefined && (yield* unavailable("status")(livenessOf(report))) === "alive"
  const paused = yield* unavailable("status")(
    stream === weather ? control.paused : Effect.map(control.pausedStreams, (paused) => paused.includes(stream))
  )
  const last: SinkStatus["state"] = report?.state === "failed" ? "failed" : "stopped"
  const failures = isAlive ? yield* unavailable("status")(control.failures) : []
  const failure = failures.find((failure) => failure.stream === stream)
  // What the sink reports is about weather.
  const isOther = stream !== weather && report !== undefined && report.state !== "failed"
  const running = isOther ? (paused ? "paused" : "running") : report?.state
  const current = failure === undefined || failure.isWritten ? running : "failed"
  const state = states[isAlive && current !== undefined ? current : last]
  const worker = isAlive ? `${hostname()}, process ${report.processId}` : null
  const trace = failure?.reason ?? report?.reason ?? null
  return {
    name,
    connector: { state: state === "STOPPED" && paused ? "PAUSED" : state, worker, trace: null },
    tasks: [{ id: 0, state, worker, trace }]
  }
})

const setPaused = Effect.fnUntraced(function* (name: string, paused: boolean) {
  const stream = yield* streamOf(name)
  const control = yield* SinkControl
  const { sinkLock } = yield* DataFolder
  const command = paused ? "pause" : "resume"
  const runLocally = Effect.scoped(
    Effect.andThen(acquire(sinkLock, "sink"), Effect.as(control.setPaused(paused, stream), "Done."))
  )
  yield* unavailable(command)(SinkCommand.dispatch({ command, stream, runLocally, onProgress: () => Effect.void }))
})

const restart = unsupported("restart", "the embedded sink is its own program; stop it and start it again (npm start)")

export const layer = Layer.effect(
  Connector,
  Effect.gen(function* () {
    const services = yield* Effect.context<DataFolder | SinkControl | Streams>()
    return Connector.of({
      register: (name) =>
        name === sinkConnector
          ? Effect.succeed("unchanged")
          : unsupported("register", "the embedded sink writes every stream by itself"),
      validate: () => Effect.succeed([]),
      names: streamsOf.pipe(
        Effect.map((streams) => streams.map(connectorOf)),
        Effect.provide(services)
      ),
      config: (name) => streamOf(name).pipe(Effect.as({}), Effect.provide(services)),
      status: (name) => Effect.provide(status(name), services),
      pause: Effect.fn("Connector.pause")((name) => setPaused(name, true), Effect.provide(services)),
      resume: Effect.fn("Connector.resume")((name) => setPaused(name, false), Effect.provide(services)),
      stop: () =>
        unsupported("stop", "the embedded sink is its own program; stop it there, or use floe connector pause"),
      restart: () => restart,
      restartTask: () => restart,
      remove: () => unsupported("delete", "the embedded sink cannot be deleted; stop it instead")
    })
  })
)
