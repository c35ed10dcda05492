/** The broker's container (KAFKA_CONTAINER), for tests that stop or pause it. */
import { Effect } from "effect"
import { docker } from "./docker.ts"

const container = process.env.KAFKA_CONTAINER ?? "kafka"

/** While it is paused, its kernel accepts what is sent to it, and the broker answers nothing. */
const pause = Effect.promise(() => docker("pause", container))
const unpause = Effect.promise(() => docker("unpause", container))

/** Resumes when the scope closes. */
export const paused = Effect.acquireRelease(pause, () => Effect.ignoreCause(unpause))
export const goOn = unpause

/** Ends it at once, and starts it again. */
export const restarted = Effect.promise(() => docker("restart", "--time", "0", container))

/** Sets the largest batch of records that the topic accepts, with Kafka's own tool. */
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
