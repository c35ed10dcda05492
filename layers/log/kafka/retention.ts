/** What the brokers are set to keep of a topic's records. */
import { Effect, Schema } from "effect"
import type { TopicRetention } from "../../../services/Topics.ts"
import type { Admin } from "./Admin.ts"
import { codes, KafkaFailure } from "./failures.ts"

/** Kafka's number for a topic among what has settings. */
const topics = 2

const Settings = Schema.Struct({
  "retention.ms": Schema.FiniteFromString,
  "retention.bytes": Schema.FiniteFromString,
  "cleanup.policy": Schema.NonEmptyString
})

const limited = (value: number) => (value < 0 ? null : value)

const decode = Schema.decodeUnknownEffect(Settings)

/** Undefined if there is no such topic. */
export const of = Effect.fnUntraced(function* (admin: Admin["Service"], name: string) {
  const configurationKeys = Object.keys(Settings.fields)
  const found = yield* admin
    .ask(name, (client) =>
      client.describeConfigs({ resources: [{ resourceType: topics, resourceName: name, configurationKeys }] })
    )
    .pipe(
      Effect.catchIf(
        ({ code }) => code === codes.topicMissing,
        () => Effect.succeed([])
      )
    )
  const [topic] = found
  if (topic === undefined) return undefined
  const settings = yield* decode(Object.fromEntries(topic.configs.map(({ name, value }) => [name, value]))).pipe(
    Effect.mapError(
      (cause) => new KafkaFailure({ reason: `the settings of the topic ${name} are not understood`, cause })
    )
  )
  return {
    millis: limited(settings["retention.ms"]),
    bytes: limited(settings["retention.bytes"]),
    cleanup: settings["cleanup.policy"]
  } satisfies TopicRetention
})
