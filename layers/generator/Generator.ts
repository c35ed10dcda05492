/** Generates weather records and sends each one until the server acknowledges it. */
import { Cause, Effect, Layer, Schedule } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { LogClient, type ServerUnavailable } from "../../services/LogClient.ts"
import { batch, interval, seed } from "../../services/Settings.ts"
import type { WeatherReading } from "../../services/Weather.ts"
import * as Heartbeat from "../runtime/Heartbeat.ts"
import { plural } from "../runtime/plural.ts"
import * as Readings from "./readings.ts"

const inFlight = 32

const backoff = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** Logs once when the server becomes unreachable and once when it answers again. */
const makeReachability = () => {
  let reachable = true
  return {
    down: (error: ServerUnavailable) =>
      Effect.suspend(() => {
        if (!reachable) return Effect.void
        reachable = false
        return Effect.logWarning(
          `${error.message} The generator keeps its records and retries until the server answers.`
        )
      }),
    up: Effect.suspend(() => {
      if (reachable) return Effect.void
      reachable = true
      return Effect.logInfo("The logging server answers again.")
    })
  }
}

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const client = yield* LogClient
    const random = yield* SecureRandom.SecureRandom
    const every = yield* interval
    const size = yield* batch
    const beat = yield* Heartbeat.make
    const nextReading = yield* Readings.from(yield* seed)
    const reachability = makeReachability()

    const sendUntilAcknowledged = Effect.fnUntraced(function* (reading: WeatherReading) {
      const key = yield* random.uuidV4()
      return yield* client.send(reading, key).pipe(
        Effect.tapError((error) => (error._tag === "ServerUnavailable" ? reachability.down(error) : reachability.up)),
        Effect.retry({ schedule: backoff, while: (error) => error._tag === "ServerUnavailable" }),
        Effect.andThen(reachability.up),
        Effect.as(1),
        Effect.catchTag("ReadingRejected", ({ message }) => Effect.as(Effect.logWarning(message), 0))
      )
    })

    let total = 0
    const tick = Effect.gen(function* () {
      const readings = yield* Effect.replicateEffect(nextReading, size)
      const sent = yield* Effect.forEach(readings, sendUntilAcknowledged, { concurrency: inFlight })
      const acknowledged = sent.reduce<number>((sum, one) => sum + one, 0)
      total += acknowledged
      if (acknowledged === size) yield* beat
      yield* Effect.logInfo(`generator: ${acknowledged} of ${plural(size, "record")} acknowledged, ${total} in all`)
    }).pipe(Effect.withSpan("Generator.tick"))

    yield* tick.pipe(
      Effect.repeat(Schedule.spaced(every)),
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("The generator failed", cause)
      ),
      Effect.forkScoped
    )
  })
).pipe(Layer.provide(SecureRandom.layerWebCrypto))
