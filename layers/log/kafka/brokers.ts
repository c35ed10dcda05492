/** The brokers that make up the cluster. */
import { Effect } from "effect"
import type { Admin } from "./Admin.ts"

/** Kafka's number for a broker among what has settings. */
const broker = 4 as const
/** As 3.5-IV2: of the protocol that the brokers speak among each other, which is their own version if nobody set it. */
const setting = "inter.broker.protocol.version"

const releaseOf = (value: string | null | undefined) => /^\d+(\.\d+)+/.exec(value ?? "")?.[0]

/** How many answer, and their version as `3.5`; null where they do not tell. */
export const look = Effect.fn("Brokers.look")(function* ({ ask }: Admin["Service"]) {
  const { brokers } = yield* ask("", (client) => client.metadata({ topics: [], forceUpdate: true }))
  const resources = [...brokers.keys()].map((id) => ({
    resourceType: broker,
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
