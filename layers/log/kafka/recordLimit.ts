/** The largest record of a topic, and the size of a record. */
import type { Header } from "@confluentinc/kafka-javascript"
import { Effect, Option, Schema } from "effect"
import { Admin } from "./Admin.ts"

/** Kafka's resource type of a topic. */
const topicResource = 2
const setting = "max.message.bytes"

const decode = Schema.decodeUnknownOption(Schema.FiniteFromString)

/** Reads the topic's `max.message.bytes` (the broker's default if unset); undefined if it cannot be read. */
export const make = (topic: string) =>
  Effect.map(Admin, ({ ask }) =>
    ask(topic, (client) =>
      client.describeConfigs({
        resources: [{ resourceType: topicResource, resourceName: topic, configurationKeys: [setting] }]
      })
    ).pipe(
      Effect.map(([topic]) => {
        const value = topic?.configs.find(({ name }) => name === setting)?.value
        return Option.getOrUndefined(decode(value))
      }),
      Effect.orElseSucceed(() => undefined)
    )
  )

/** The header of a record batch, format 2. */
const batchBytes = 61

/** The size of a zigzag varint: seven bits per byte. */
const varintBytes = (value: number) => Math.max(1, Math.ceil((Math.floor(Math.log2(Math.max(1, 2 * value))) + 1) / 7))

const fieldBytes = (bytes: number) => varintBytes(bytes) + bytes

/** The bytes that the broker counts for a record in an uncompressed batch of its own. */
export const bytesOf = (value: Buffer, key: Buffer | string | null, headers: ReadonlyArray<Header> = []) => {
  const entries = headers.flatMap((header) => Object.entries(header))
  // 3: attributes, timestamp delta and offset delta, one byte each.
  const record =
    3 +
    (key === null ? 1 : fieldBytes(Buffer.byteLength(key))) +
    fieldBytes(value.length) +
    varintBytes(entries.length) +
    entries.reduce(
      (sum, [name, content]) => sum + fieldBytes(Buffer.byteLength(name)) + fieldBytes(Buffer.byteLength(content)),
      0
    )
  return batchBytes + fieldBytes(record)
}
