import { Effect, Layer } from "effect"
import { DeadLetters, NothingRefused } from "../../../services/DeadLetters.ts"

const none = () => Effect.fail(new NothingRefused())

export const layer = Layer.succeed(DeadLetters, DeadLetters.of({ now: none, remember: none }))
