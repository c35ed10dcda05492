/** The processors: they bring the streams of the log into the streams that are derived from them. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"

const announcement = Layer.effectDiscard(Effect.logInfo("The processors follow the log."))

const program = announcement.pipe(
  Layer.provideMerge(Profile.layer("processors")),
  Layer.provideMerge(Profile.layer("clockSteps")),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program), Shutdown.exitOptions)
