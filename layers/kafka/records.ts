/** A record as a message of the topic, and back. What goes with it travels in headers, never in the value. */
import type { Header, Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import type { IdempotencyKey, LoggedEvent } from "../../services/EventLog.ts"
import { WeatherRecord } from "../../services/Weather.ts"

export const valueOf = ({ city, temperature, ts }: WeatherRecord) =>
  Buffer.from(JSON.stringify({ city, temperature, ts }))

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(WeatherRecord))

/** None for what another program wrote. */
export const recordOf = ({ value }: Message): Option.Option<WeatherRecord> =>
  value === null ? Option.none() : decode(value.toString())

export const eventOf = (message: Message): LoggedEvent | undefined => {
  const record = recordOf(message)
  if (Option.isNone(record)) return undefined
  const { partition, offset, timestamp } = message
  return { position: { partition, offset }, record: record.value, acceptedAt: timestamp ?? 0 }
}

const digestHeader = "floe-digest"
const indexHeader = "floe-index"
const countHeader = "floe-count"

/** The message's key is the Idempotency-Key; the headers say which record of how many it is. */
export const headersOf = ({ digest }: IdempotencyKey, index: number, count: number): ReadonlyArray<Header> => [
  { [digestHeader]: digest },
  { [indexHeader]: String(index) },
  { [countHeader]: String(count) }
]

export interface KeyedRecord {
  readonly key: string
  readonly digest: string
  readonly index: number
  readonly count: number
}

const headerOf = (headers: ReadonlyArray<Header>, name: string) => {
  for (const header of headers) {
    const value = header[name]
    if (value !== undefined) return value.toString()
  }
  return undefined
}

/** Undefined for a message without a key, and for one whose headers are not ours. */
export const keyOf = ({ key, headers }: Message): KeyedRecord | undefined => {
  if (key === null || headers === undefined) return undefined
  const digest = headerOf(headers, digestHeader)
  const index = Number(headerOf(headers, indexHeader))
  const count = Number(headerOf(headers, countHeader))
  if (digest === undefined || !Number.isSafeInteger(index) || !Number.isSafeInteger(count)) return undefined
  if (index < 0 || index >= count) return undefined
  return { key: key.toString(), digest, index, count }
}
