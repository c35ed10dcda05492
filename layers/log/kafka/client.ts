/** The native Kafka client: loaded when it is first needed, and its callbacks as effects. */
import type { Kafka, KafkaError } from "@confluentinc/kafka-javascript"
import { Effect, Predicate, Schema } from "effect"

/** The optional package is not there, or what it is linked with is not. */
export class KafkaClientMissing extends Schema.TaggedError<KafkaClientMissing>()("KafkaClientMissing", {
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The Kafka client ${this.reason}; install it with CKJS_LINKING=dynamic npm ci (which needs g++, make, python3, libssl-dev and zlib1g-dev), or set FLOE_PROFILE to embedded.`
  }
}

const isMissing = (cause: unknown) =>
  cause instanceof Error &&
  "code" in cause &&
  (cause.code === "ERR_MODULE_NOT_FOUND" || cause.code === "MODULE_NOT_FOUND")

export const load: Effect.Effect<Kafka, KafkaClientMissing> = Effect.tryPromise({
  try: async () => (await import("@confluentinc/kafka-javascript")).default,
  catch: (cause) =>
    new KafkaClientMissing({
      reason: isMissing(cause)
        ? "@confluentinc/kafka-javascript is not installed"
        : `cannot be loaded (${cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause)})`,
      cause
    })
})

/** The client's own code of an error, or undefined for an error that is none of the client's. */
export const codeOf = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "number" ? cause.code : undefined

/** Calls that answer by a callback; they cannot be called back, so an interruption waits for the answer. */
export const ask = <A>(call: (answer: (error: KafkaError | null | undefined, value: A) => void) => void) =>
  Effect.uninterruptible(
    Effect.callback<A, unknown>((resume) => {
      try {
        call((error, value) => resume(error ? Effect.fail(error) : Effect.succeed(value)))
      } catch (cause) {
        resume(Effect.fail(cause))
      }
    })
  )
