/** The logging server: takes weather events over HTTP and answers once they are durable in the event log. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as Server from "../layers/ingest/http/Server.ts"
import * as Profile from "../layers/profile/Profile.ts"
import * as ConsoleLogger from "../layers/runtime/ConsoleLogger.ts"
import * as Shutdown from "../layers/runtime/Shutdown.ts"
import { HttpAddress } from "../services/HttpAddress.ts"

const announced = Layer.effectDiscard(
  Effect.gen(function* () {
    const { url } = yield* HttpAddress
    yield* Effect.logInfo(`The logging server listens on ${url}`)
    yield* Effect.addFinalizer(() => Effect.logInfo("The logging server is stopping."))
  })
)

const program = announced.pipe(
  Layer.provide(Profile.serverAddress),
  Layer.provide(Server.layer),
  Layer.provide(Profile.log),
  Layer.merge(Profile.clockSteps),
  Layer.provide(ConsoleLogger.layer)
)

NodeRuntime.runMain(Shutdown.launch(program), Shutdown.exitOptions)
