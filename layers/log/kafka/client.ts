/** Loads the native Kafka client on first use, and turns its callbacks into effects. */
import type { Kafka, KafkaError } from "@confluentinc/kafka-javascript"
import { Effect, Predicate, Schema } from "effect"

/** The optional package or a library that it links is missing. */
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

/** The client's error code; undefined for other errors. */
export const codeOf = (cause: unknown) =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "number" ? cause.code : undefined

/** Turns a call with a callback into an effect. The call cannot be cancelled, so an interruption waits for it. */
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
