/**
 * The messages that the connector takes into the table, RequireWeather's rule: an object of exactly the string fields
 * city, temperature and ts, whatever is in them. It is wider than what Floe logs, and other programs may write to the topic.
 */
import { isUtf8 } from "node:buffer"
import type { Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import type { LoggedEvent } from "../../../services/EventLog.ts"

const decode = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ city: Schema.String, temperature: Schema.String, ts: Schema.String })),
  { onExcessProperty: "error" }
)

/** Connect's parser takes the first value of a message and does not look at what follows; the fields are texts, so no brace is in it. */
const firstObject = /^\s*\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}/s

const byteOrderMark = /^\ufeff/

/** A lone surrogate has no bytes in UTF-8; Java writes a question mark. */
const asWritten = (text: string) => (text.isWellFormed() ? text : text.replace(/\p{Surrogate}/gu, "?"))

const fieldsOf = (text: string) =>
  Option.orElse(decode(text), () => decode(firstObject.exec(text.replace(byteOrderMark, ""))?.[0]))

/** Undefined for what goes to the dead letters; and for bytes that are not UTF-8, of which Connect's parser takes some. */
export const eventOf = ({ partition, offset, timestamp, value }: Message): LoggedEvent | undefined => {
  if (value === null || !isUtf8(value)) return undefined
  const fields = fieldsOf(value.toString())
  if (Option.isNone(fields)) return undefined
  const { city, temperature, ts } = fields.value
  const record = { city: asWritten(city), temperature: asWritten(temperature), ts: asWritten(ts) }
  return { position: { partition, offset }, record, acceptedAt: timestamp ?? 0 }
}
