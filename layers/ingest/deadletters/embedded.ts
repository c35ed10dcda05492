import { Effect, Layer } from "effect"
import { DeadLetters, NoDeadLetters } from "../../../services/DeadLetters.ts"

const none = () => Effect.fail(new NoDeadLetters())

export const layer = Layer.succeed(DeadLetters, DeadLetters.of({ now: none, remember: none }))
