/** Presents the embedded sink as a connector with one task; its commands go through the control database. */
import { hostname } from "node:os"
import { Effect, Layer, Option } from "effect"
import {
  Connector,
  ConnectorMissing,
  ConnectRejected,
  ConnectUnavailable,
  sinkConnector
} from "../../services/Connector.ts"
import { DataFolder } from "../../services/DataFolder.ts"
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

const requireSink = (name: string) =>
  name === sinkConnector ? Effect.void : Effect.fail(new ConnectorMissing({ name, only: sinkConnector }))

const status = Effect.fn("Connector.status")(function* (name: string) {
  yield* requireSink(name)
  const control = yield* SinkControl
  const report = Option.getOrUndefined(yield* unavailable("status")(control.status))
  const isAlive = report !== undefined && (yield* unavailable("status")(livenessOf(report))) === "alive"
  const paused = yield* unavailable("status")(control.paused)
  const last: SinkStatus["state"] = report?.state === "failed" ? "failed" : "stopped"
  const state = states[isAlive ? report.state : last]
  const worker = isAlive ? `${hostname()}, process ${report.processId}` : null
  const trace = report?.reason ?? null
  return {
    name,
    connector: { state: state === "STOPPED" && paused ? "PAUSED" : state, worker, trace: null },
    tasks: [{ id: 0, state, worker, trace }]
  }
})

const setPaused = Effect.fnUntraced(function* (name: string, paused: boolean) {
  yield* requireSink(name)
  const control = yield* SinkControl
  const { sinkLock } = yield* DataFolder
  const command = paused ? "pause" : "resume"
  const runLocally = Effect.scoped(
    Effect.andThen(acquire(sinkLock, "sink"), Effect.as(control.setPaused(paused), "Done."))
  )
  yield* unavailable(command)(SinkCommand.dispatch({ command, runLocally, onProgress: () => Effect.void }))
})

const restart = unsupported("restart", "the embedded sink is its own program; stop it and start it again (npm start)")

export const layer = Layer.effect(
  Connector,
  Effect.gen(function* () {
    const services = yield* Effect.context<DataFolder | SinkControl>()
    return Connector.of({
      register: (name) =>
        name === sinkConnector
          ? Effect.succeed("unchanged")
          : unsupported("register", `${sinkConnector} is the only connector`),
      validate: () => Effect.succeed([]),
      names: Effect.succeed([sinkConnector]),
      config: (name) => Effect.as(requireSink(name), {}),
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
