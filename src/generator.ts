/** The client: every FLOE_INTERVAL, FLOE_BATCH records, each sent until the logging server has acknowledged it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Result } from "effect"
import * as Generator from "../layers/generator/Generator.ts"
import * as LogClient from "../layers/ingest/LogClient.ts"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"
import * as WatchClock from "../layers/runtime/watchClock.ts"
import { LogTarget } from "../services/LogTarget.ts"

const announced = Layer.effectDiscard(
  Effect.gen(function* () {
    const found = yield* Effect.result((yield* LogTarget).find)
    const news = Result.isSuccess(found) ? `sends to ${found.success.label}` : "waits for its logging server"
    yield* Effect.logInfo(`The generator ${news}.`)
  })
)

const program = Generator.layer.pipe(
  Layer.provide(announced),
  Layer.provide(LogClient.layer),
  Layer.provide(Profile.layer("logTarget")),
  Layer.merge(WatchClock.layer),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program), Shutdown.exitOptions)
