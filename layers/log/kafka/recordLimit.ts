/** How large a record may be in a topic, and how large one is there. */
import type { Header } from "@confluentinc/kafka-javascript"
import { Effect, Option, Schema } from "effect"
import type { Admin } from "./Admin.ts"

/** Kafka's number for a topic among what has settings. */
const topics = 2
const setting = "max.message.bytes"

const decode = Schema.decodeUnknownOption(Schema.FiniteFromString)

/** The topic's `max.message.bytes`, which is the broker's where it has none of its own; undefined where nobody tells. */
export const of = (admin: Admin["Service"], topic: string) =>
  admin
    .ask(topic, (client) =>
      client.describeConfigs({
        resources: [{ resourceType: topics, resourceName: topic, configurationKeys: [setting] }]
      })
    )
    .pipe(
      Effect.map((found) => {
        const value = found[0]?.configs.find(({ name }) => name === setting)?.value
        return Option.getOrUndefined(decode(value))
      }),
      Effect.orElseSucceed(() => undefined)
    )

/** Of a batch in Kafka's format 2, before its first record. */
const batchBytes = 61

/** Of a length or a number, in zigzag and seven bits a byte. */
const varintBytes = (value: number) => Math.max(1, Math.ceil((Math.floor(Math.log2(Math.max(1, 2 * value))) + 1) / 7))

const fieldBytes = (bytes: number) => varintBytes(bytes) + bytes

/** What the broker counts of a record that is a batch of its own, uncompressed. */
export const bytesOf = (value: Buffer, key: string | null, headers: ReadonlyArray<Header> = []) => {
  const entries = headers.flatMap((header) => Object.entries(header))
  // Attributes, the time after the batch's, the offset after the batch's: a byte each.
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
