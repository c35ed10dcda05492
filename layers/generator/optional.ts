/** The generator in `npm start`: it is there to show something, and only in the way of who has streams of their own. */
import { Effect, Layer, Option } from "effect"
import { generates } from "../../services/Settings.ts"
import * as Declaration from "../declaration/Declaration.ts"
import * as Generator from "./Generator.ts"

const isOff = Layer.effectDiscard(
  Effect.logInfo("The generator of fake weather is off, as streams are declared; FLOE_GENERATOR=true turns it on.")
)

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const wanted = yield* generates
    if (Option.isSome(wanted)) return wanted.value ? Generator.layer : Layer.empty
    return Option.isNone(yield* Declaration.find) ? Generator.layer : isOff
  })
)
