/** Server, generator and sink in one process, on the embedded profile: `npm start`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as BegunChanges from "../layers/declaration/begunChanges.ts"
import * as StartDeclared from "../layers/declaration/startDeclared.ts"
import * as Generator from "../layers/generator/optional.ts"
import * as Banner from "../layers/ingest/Banner.ts"
import { HttpServer } from "../layers/ingest/http/HttpServer.ts"
import * as LogClient from "../layers/ingest/LogClient.ts"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"

const ownServer = Layer.unwrap(Effect.map(HttpServer, ({ url }) => LogClient.at(new URL(url))))

const evolution = Profile.layer("evolution")
const log = Layer.merge(BegunChanges.layer(evolution), StartDeclared.layer(evolution)).pipe(
  Layer.provideMerge(Profile.layer("log"))
)

// Layers close in the order listed here, so that each can drain what the ones above it sent.
const program = Generator.layer.pipe(
  Layer.provide(ownServer),
  Layer.provide(Banner.layer),
  Layer.provide(Profile.layer("serverAddress")),
  Layer.provide(HttpServer.layer),
  Layer.provideMerge(Profile.layer("processors")),
  Layer.provideMerge(Profile.layer("sink")),
  Layer.provide(log),
  Layer.provideMerge(Profile.layer("clockSteps")),
  Layer.provide(Profile.layer("onlyEmbedded")),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program, Profile.sinkFailure), Shutdown.exitOptions)
