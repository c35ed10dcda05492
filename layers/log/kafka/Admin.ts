/** The admin client for what the native one lacks: topic settings, disks, members and offsets of groups. */
import { createSecureContext } from "node:tls"
import type { AdminOptions, Admin as Client } from "@platformatic/kafka"
import { type Config, Context, Effect, Layer, Scope } from "effect"
import { kafkaBrokers, kafkaSecurity } from "../../../services/Settings.ts"
import { failureOf } from "./adminFailures.ts"
import { optionsOf } from "./adminOptions.ts"
import { ignoreLateErrors } from "./connectionErrors.ts"
import type { KafkaFailure } from "./failures.ts"
import { explained } from "./listener.ts"
import { checked, isReadable, type KafkaSettingsWrong, notTaken } from "./Security.ts"

/** For one request with its retries. */
const timeLimit = "6 seconds"

export class Admin extends Context.Service<
  Admin,
  {
    readonly brokers: string
    readonly options: AdminOptions
    /** Runs a request; failures name the topic. */
    readonly ask: <A>(topic: string, request: (client: Client) => Promise<A>) => Effect.Effect<A, KafkaFailure>
  }
>()("floe/layers/log/kafka/Admin") {
  static readonly layer: Layer.Layer<Admin, KafkaSettingsWrong | Config.ConfigError> = Layer.suspend(() =>
    Layer.effect(Admin, make)
  )
}

const make = Effect.gen(function* () {
  const brokers = yield* kafkaBrokers
  const security = yield* Effect.fromResult(checked(yield* kafkaSecurity, isReadable))
  const options = yield* Effect.try({
    try: () => {
      const options = optionsOf(brokers, security)
      // Validates the PEM files now: the client would throw where nothing catches it.
      if (options.tls !== undefined) createSecureContext(options.tls)
      return options
    },
    catch: notTaken
  })
  const explain = explained(brokers, security)
  const scope = yield* Effect.scope
  const connect = Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new (await import("@platformatic/kafka")).Admin(options)
      ignoreLateErrors(client)
      return client
    }),
    (client) => Effect.promise(() => client.close().catch(() => {}))
  )
  const client = yield* Effect.cached(Scope.provide(connect, scope))

  const ask: Admin["Service"]["ask"] = (topic, request) =>
    Effect.flatMap(client, (client) =>
      Effect.tryPromise({ try: () => request(client), catch: (cause) => failureOf(cause, brokers, topic) }).pipe(
        Effect.catch((failure) => Effect.flatMap(explain(failure), Effect.fail)),
        Effect.timeoutOrElse({
          duration: timeLimit,
          orElse: () => Effect.fail(failureOf(undefined, brokers, topic))
        })
      )
    )

  return Admin.of({ brokers, options, ask })
})
