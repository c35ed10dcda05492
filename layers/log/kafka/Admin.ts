/** What the native client cannot ask the brokers: settings of topics, their disks, the members and offsets of groups. */
import { createSecureContext } from "node:tls"
import type { AdminOptions, Admin as Client } from "@platformatic/kafka"
import { type Config, Context, Effect, Layer, Scope } from "effect"
import { kafkaBrokers, kafkaSecurity } from "../../../services/Settings.ts"
import { failureOf } from "./adminFailures.ts"
import { optionsOf } from "./adminOptions.ts"
import type { KafkaFailure } from "./failures.ts"
import { explained } from "./listener.ts"
import { checked, isReadable, type KafkaSettingsWrong, notTaken } from "./Security.ts"

/** For one question, with all that is tried again in it. */
const limit = "6 seconds"

export class Admin extends Context.Service<
  Admin,
  {
    readonly brokers: string
    readonly options: AdminOptions
    /** The topic is the one that a failure names. */
    readonly ask: <A>(topic: string, question: (client: Client) => Promise<A>) => Effect.Effect<A, KafkaFailure>
  }
>()("floe/layers/kafka/Admin") {}

const make = Effect.gen(function* () {
  const brokers = yield* kafkaBrokers
  const security = yield* Effect.fromResult(checked(yield* kafkaSecurity, isReadable))
  const options = yield* Effect.try({
    try: () => {
      const options = optionsOf(brokers, security)
      // A connection that is made later would throw where nobody catches it.
      if (options.tls !== undefined) createSecureContext(options.tls)
      return options
    },
    catch: notTaken
  })
  const explain = explained(brokers, security)
  const scope = yield* Effect.scope
  const connect = Effect.acquireRelease(
    Effect.promise(async () => new (await import("@platformatic/kafka")).Admin(options)),
    (client) => Effect.promise(() => client.close().catch(() => {}))
  )
  // It is loaded when it is first needed.
  const client = yield* Effect.cached(Scope.provide(connect, scope))

  const ask: Admin["Service"]["ask"] = (topic, question) =>
    Effect.flatMap(client, (client) =>
      Effect.tryPromise({ try: () => question(client), catch: (cause) => failureOf(cause, brokers, topic) }).pipe(
        Effect.catch((failure) => Effect.flatMap(explain(failure), Effect.fail)),
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () => Effect.fail(failureOf(undefined, brokers, topic))
        })
      )
    )

  return Admin.of({ brokers, options, ask })
})

export const layer: Layer.Layer<Admin, KafkaSettingsWrong | Config.ConfigError> = Layer.effect(Admin, make)
