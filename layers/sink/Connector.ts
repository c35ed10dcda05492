/** The embedded sink as if it were a connector of one task: what it is told to do goes by its control table. */
import { hostname } from "node:os"
import { Effect, Layer, Option } from "effect"
import { Connector, ConnectorMissing, ConnectRefused, ConnectUnavailable } from "../../services/Connector.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { SinkControl, type SinkStatus } from "../../services/SinkControl.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { livenessOf } from "./heartbeat.ts"
import * as SinkCommand from "./SinkCommand.ts"

const name = "iceberg-sink"

const states = { running: "RUNNING", paused: "PAUSED", failed: "FAILED", stopped: "STOPPED" } as const

const refused = (operation: string, reason: string) => Effect.fail(new ConnectRefused({ operation, reason }))
const unavailable = (operation: string) =>
  Effect.mapError(
    (cause: Error) => new ConnectUnavailable({ operation, reason: cause.message.replace(/\.$/, ""), cause })
  )

export const layer = Layer.effect(
  Connector,
  Effect.gen(function* () {
    const control = yield* SinkControl
    const folder = yield* DataFolder
    const known = (asked: string) =>
      asked === name ? Effect.void : Effect.fail(new ConnectorMissing({ name: asked, only: name }))

    const status = Effect.fn("Connector.status")(function* (asked: string) {
      yield* known(asked)
      const found = Option.getOrUndefined(yield* unavailable("status")(control.status))
      const alive =
        found !== undefined && (yield* unavailable("status")(livenessOf(control, folder.sinkLock, found))) === "alive"
      const paused = yield* unavailable("status")(control.paused)
      const last: SinkStatus["state"] = found?.state === "failed" ? "failed" : "stopped"
      const state = states[alive ? found.state : last]
      const worker = !alive ? null : `${hostname()}, process ${found.processId}`
      const trace = found?.reason ?? null
      return {
        name,
        connector: { state: state === "STOPPED" && paused ? "PAUSED" : state, worker, trace: null },
        tasks: [{ id: 0, state, worker, trace }]
      }
    })

    /** Where no sink runs it is noted for the next one. */
    const setPaused = (asked: string, paused: boolean) => {
      const command = paused ? "pause" : "resume"
      const runLocally = Effect.scoped(
        Effect.andThen(acquire(folder.sinkLock, "sink"), Effect.as(control.setPaused(paused), "Done."))
      )
      return known(asked).pipe(
        Effect.andThen(
          SinkCommand.dispatch({ command, runLocally, onProgress: () => Effect.void }).pipe(
            Effect.provideService(SinkControl, control),
            Effect.provideService(DataFolder, folder),
            unavailable(command)
          )
        ),
        Effect.asVoid,
        Effect.withSpan(`Connector.${command}`)
      )
    }

    const restarting = "the embedded sink is a program of its own; stop it and start it again (npm start)"
    return Connector.of({
      register: (asked) =>
        asked === name ? Effect.succeed("unchanged") : refused("register", `there is only ${name}`),
      validate: () => Effect.succeed([]),
      names: Effect.succeed([name]),
      config: (asked) => Effect.as(known(asked), {}),
      status,
      pause: (asked) => setPaused(asked, true),
      resume: (asked) => setPaused(asked, false),
      stop: () => refused("stop", "the embedded sink is a program of its own; stop it there, or floe connector pause"),
      restart: () => refused("restart", restarting),
      restartTask: () => refused("restart", restarting),
      remove: () => refused("delete", "the embedded sink is no connector that could be deleted; stop it instead")
    })
  })
)
