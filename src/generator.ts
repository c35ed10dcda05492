/** The generator: every FLOE_INTERVAL, it sends FLOE_BATCH records, each until the logging server acknowledges it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Result } from "effect"
import * as Generator from "../layers/generator/Generator.ts"
import * as LogClient from "../layers/ingest/LogClient.ts"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"
import * as WatchClock from "../layers/runtime/watchClock.ts"
import { LogTarget } from "../services/LogTarget.ts"

const announcement = Layer.effectDiscard(
  Effect.gen(function* () {
    const target = yield* Effect.result((yield* LogTarget).find)
    const state = Result.isSuccess(target) ? `sends to ${target.success.label}` : "waits for its logging server"
    yield* Effect.logInfo(`The generator ${state}.`)
  })
)

const program = Generator.layer.pipe(
  Layer.provide(announcement),
  Layer.provide(LogClient.layer),
  Layer.provide(Profile.layer("logTarget")),
  Layer.merge(WatchClock.layer),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program), Shutdown.exitOptions)
