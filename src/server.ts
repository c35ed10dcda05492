/** The logging server: accepts weather events over HTTP and answers once they are durable in the event log. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as BegunChanges from "../layers/declaration/begunChanges.ts"
import * as StartDeclared from "../layers/declaration/startDeclared.ts"
import { HttpServer } from "../layers/ingest/http/HttpServer.ts"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"

const announcement = Layer.effectDiscard(
  Effect.gen(function* () {
    const { url } = yield* HttpServer
    yield* Effect.logInfo(`The logging server listens on ${url}`)
    yield* Effect.addFinalizer(() => Effect.logInfo("The logging server is stopping."))
  })
)

const evolution = Profile.layer("evolution")
const log = Layer.merge(BegunChanges.layer(evolution), StartDeclared.layer(evolution)).pipe(
  Layer.provideMerge(Profile.layer("log"))
)

const program = announcement.pipe(
  Layer.provide(Profile.layer("serverAddress")),
  Layer.provide(HttpServer.layer),
  Layer.provide(log),
  Layer.merge(Profile.layer("clockSteps")),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program), Shutdown.exitOptions)
