/** The brokers of the cluster. */
import { Effect } from "effect"
import { Admin } from "./Admin.ts"

/** Kafka's resource type of a broker. */
const brokerResource = 4 as const
/** For example 3.5-IV2; the default is the broker's own version. */
const setting = "inter.broker.protocol.version"

const releaseOf = (value: string | null | undefined) => /^\d+(\.\d+)+/.exec(value ?? "")?.[0]

/** The number of brokers and their version, for example `3.5`; null if unknown. */
export const describeBrokers = Effect.fn("describeBrokers")(function* () {
  const { ask } = yield* Admin
  const { brokers } = yield* ask("", (client) => client.metadata({ topics: [], forceUpdate: true }))
  const resources = [...brokers.keys()].map((id) => ({
    resourceType: brokerResource,
    resourceName: String(id),
    configurationKeys: [setting]
  }))
  const versions = yield* ask("", (client) => client.describeConfigs({ resources })).pipe(
    Effect.map((described) =>
      described.flatMap(({ configs }) => configs.flatMap(({ value }) => releaseOf(value) ?? []))
    ),
    Effect.orElseSucceed((): ReadonlyArray<string> => [])
  )
  return { count: brokers.size, version: versions.length === 0 ? null : [...new Set(versions)].join(", ") }
})
