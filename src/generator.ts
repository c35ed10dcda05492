/** The client: every FLOE_INTERVAL, FLOE_BATCH records, each sent until the logging server has acknowledged it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as Ending from "../layers/console/Ending.ts"
import * as Lines from "../layers/console/Lines.ts"
import * as Generator from "../layers/generator/Generator.ts"
import * as LogClient from "../layers/http/LogClient.ts"
import { target } from "../services/Settings.ts"

const announced = Layer.effectDiscard(
  Effect.flatMap(target, ({ origin }) => Effect.logInfo(`The generator sends to ${origin}.`))
)

const program = Generator.layer.pipe(
  Layer.provide(announced),
  Layer.provide(LogClient.layer),
  Layer.provide(Lines.layer)
)

NodeRuntime.runMain(Ending.launch(program), Ending.said)
