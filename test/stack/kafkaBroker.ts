/** The broker's container, for tests that take it away: the one named by KAFKA_CONTAINER. */
import { Effect } from "effect"
import { docker } from "./docker.ts"

const container = process.env.KAFKA_CONTAINER ?? "kafka"

/** While paused, its kernel takes what is sent to it, and it answers nothing. */
const pause = Effect.promise(() => docker("pause", container))
const unpause = Effect.promise(() => docker("unpause", container))

/** Goes on by itself when the scope closes. */
export const paused = Effect.acquireRelease(pause, () => Effect.ignoreCause(unpause))
export const goOn = unpause

/** As Kafka's own tool sets it: how large a batch of records the topic takes. */
export const limited = (topic: string, bytes: number) =>
  Effect.promise(() =>
    docker(
      "exec",
      container,
      "kafka-configs",
      "--bootstrap-server",
      "localhost:9092",
      "--alter",
      "--entity-type",
      "topics",
      "--entity-name",
      topic,
      "--add-config",
      `max.message.bytes=${bytes}`
    )
  )
