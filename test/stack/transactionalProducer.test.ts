/** A producer of transactions that another one has fenced. */
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import { KafkaFailure } from "../../layers/log/kafka/failures.ts"
import * as TransactionalProducer from "../../layers/process/kafka/TransactionalProducer.ts"
import { temporaryTopic } from "./kafkaTopic.ts"

it.live(
  "says that another one has taken over, also when it notices in the middle of a transaction",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const connected = TransactionalProducer.connect(`floe-${topic}`, topic)
      const zombie = yield* connected
      yield* zombie.begin
      yield* connected
      // Not the first message fails, but one after the broker has answered it.
      const failure = yield* zombie
        .within(() => zombie.produce(topic, 0, Buffer.from("late"), null, Date.now()))
        .pipe(Effect.repeat(Schedule.spaced("10 millis")), Effect.flip, Effect.timeout("20 seconds"))
      assert.instanceOf(failure, KafkaFailure)
      assert.isTrue(failure instanceof KafkaFailure && TransactionalProducer.isFenced(failure), String(failure))
    }).pipe(Effect.provide(Cluster.layer)),
  30_000
)
