/** The sink of the embedded profile: brings the event log into the Iceberg table. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as BegunChanges from "../layers/declaration/begunChanges.ts"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"
import { DataFolder } from "../services/DataFolder.ts"

const announcement = Layer.effectDiscard(
  Effect.flatMap(DataFolder, ({ table }) => Effect.logInfo(`The sink writes ${table}`))
)

const program = announcement.pipe(
  Layer.merge(BegunChanges.layer(Profile.layer("evolution"))),
  Layer.provideMerge(Profile.layer("sink")),
  Layer.provide(Profile.layer("logReader")),
  Layer.provideMerge(Profile.layer("clockSteps")),
  Layer.provide(Profile.layer("onlyEmbedded")),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program, Profile.sinkFailure), Shutdown.exitOptions)
