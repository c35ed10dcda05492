/** Encodes weather's records as Kafka messages, and decodes them. Metadata is in headers, never in the value. */
import { isUtf8 } from "node:buffer"
import type { Header, Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import type { IdempotencyKey, LoggedEvent, LogRecord } from "../../../services/EventLog.ts"
import { WeatherRecord } from "../../../services/Weather.ts"

/** Events of other streams are text already. */
export const valueOf = (record: LogRecord) => {
  if (typeof record === "string") return Buffer.from(record)
  const { city, temperature, ts } = record
  return Buffer.from(JSON.stringify({ city, temperature, ts }))
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(WeatherRecord), { onExcessProperty: "error" })

/** None for messages of other programs. The connector rejects extra fields and invalid UTF-8 too. */
export const recordOf = ({ value }: Message): Option.Option<WeatherRecord> =>
  value === null || !isUtf8(value) ? Option.none() : decode(value.toString())

export const eventOf = (message: Message): LoggedEvent | undefined => {
  const record = recordOf(message)
  if (Option.isNone(record)) return undefined
  const { partition, offset, timestamp } = message
  return { position: { partition, offset }, record: record.value, acceptedAt: timestamp ?? 0 }
}

/** One header, not three: each takes about 2 µs per message. */
const header = "floe-request"

/** The message key is the Idempotency-Key; the header has the record's index, the count and the request's digest. */
export const headersOf = ({ digest }: IdempotencyKey, index: number, count: number): ReadonlyArray<Header> => [
  { [header]: `${index}/${count} ${digest}` }
]

export interface KeyedRecord {
  readonly key: string
  readonly digest: string
  readonly index: number
  readonly count: number
}

/** Undefined for a message without a key or without Floe's header. */
export const keyOf = ({ key, headers }: Message): KeyedRecord | undefined => {
  const value = headers?.find((one) => header in one)?.[header]
  if (key === null || value === undefined) return undefined
  const [, index, count, digest] = /^(\d{1,9})\/(\d{1,9}) (.*)$/s.exec(value.toString()) ?? []
  if (digest === undefined || Number(index) >= Number(count)) return undefined
  return { key: key.toString(), digest, index: Number(index), count: Number(count) }
}
