/** Sends one message and waits until all in-sync replicas have it. */
import type { Header } from "@confluentinc/kafka-javascript"
import { Clock, Effect } from "effect"
import { Cluster } from "./Cluster.ts"
import type { KafkaFailure } from "./failures.ts"
import type { Batch, Producer } from "./Producer.ts"

interface Sent {
  readonly key: string | null
  /** Null is a tombstone. */
  readonly value: Buffer | null
  readonly headers?: ReadonlyArray<Header>
}

export const sendOne = Effect.fnUntraced(function* (topic: string, { send, seen }: Producer, message: Sent) {
  const cluster = yield* Cluster
  const millis = yield* Clock.currentTimeMillis
  yield* Effect.callback<void, KafkaFailure>((resume) => {
    const failed = (cause: unknown) => resume(Effect.fail(cluster.failure(cause, topic, seen())))
    const batch: Batch = {
      open: 0,
      failure: undefined,
      tooLarge: 0,
      delivered: () => {},
      done: () => (batch.failure === undefined ? resume(Effect.void) : failed(batch.failure))
    }
    try {
      send(batch, 0, message.value, message.key, millis, message.headers)
    } catch (cause) {
      failed(cause)
    }
  })
})
