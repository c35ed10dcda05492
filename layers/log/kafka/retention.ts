/** The retention settings of a topic. */
import { Effect, Schema } from "effect"
import type { TopicRetention } from "../../../services/Topics.ts"
import { Admin } from "./Admin.ts"
import { because, codes, KafkaFailure } from "./failures.ts"

/** Kafka's resource type of a topic. */
const topicResource = 2

const Settings = Schema.Struct({
  "retention.ms": Schema.FiniteFromString,
  "retention.bytes": Schema.FiniteFromString,
  "cleanup.policy": Schema.NonEmptyString
})

const limited = (value: number) => (value < 0 ? null : value)

const decode = Schema.decodeUnknownEffect(Settings)

/** A function from a topic's name to its retention; undefined if the topic does not exist. */
export const make = Effect.map(Admin, ({ ask }) =>
  Effect.fnUntraced(function* (name: string) {
    const configurationKeys = Object.keys(Settings.fields)
    const [topic] = yield* ask(name, (client) =>
      client.describeConfigs({ resources: [{ resourceType: topicResource, resourceName: name, configurationKeys }] })
    ).pipe(
      Effect.catchIf(
        ({ code }) => code === codes.topicMissing,
        () => Effect.succeed([])
      )
    )
    if (topic === undefined) return undefined
    const settings = yield* decode(Object.fromEntries(topic.configs.map(({ name, value }) => [name, value]))).pipe(
      Effect.mapError(
        (cause) =>
          new KafkaFailure({ reason: because(`the retention settings of the topic ${name} are invalid`), cause })
      )
    )
    return {
      millis: limited(settings["retention.ms"]),
      bytes: limited(settings["retention.bytes"]),
      cleanup: settings["cleanup.policy"]
    } satisfies TopicRetention
  })
)
