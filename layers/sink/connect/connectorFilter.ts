/**
 * Selects the messages that a stream's connector accepts. Other programs may write such messages to the topic.
 * For weather, by RequireWeather's rule: an object with exactly the string fields city, temperature and ts, whatever they
 * contain; Floe logs a subset. For another stream, by RequireRecord's: a canonical event of any of its versions.
 */
import { isUtf8 } from "node:buffer"
import type { Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import type { LoggedEvent } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { canonicalRecord } from "./canonicalRecord.ts"
import { recordColumns } from "./recordColumns.ts"

const decode = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ city: Schema.String, temperature: Schema.String, ts: Schema.String })),
  { onExcessProperty: "error" }
)

/** Kafka Connect's parser reads the first value of a message and ignores the rest; all fields are strings, so objects do not nest. */
const firstObject = /^\s*\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}/s

const byteOrderMark = /^\ufeff/

/** UTF-8 cannot encode a lone surrogate; Java writes a question mark. */
const asWritten = (text: string) => (text.isWellFormed() ? text : text.replace(/\p{Surrogate}/gu, "?"))

const fieldsOf = (text: string) =>
  Option.orElse(decode(text), () => decode(firstObject.exec(text.replace(byteOrderMark, ""))?.[0]))

/** Of weather. Undefined for messages that become dead letters, and for bytes that are not UTF-8, although Kafka Connect accepts some of these. */
export const eventOf = ({ partition, offset, timestamp, value }: Message): LoggedEvent | undefined => {
  if (value === null || !isUtf8(value)) return undefined
  const fields = fieldsOf(value.toString())
  if (Option.isNone(fields)) return undefined
  const { city, temperature, ts } = fields.value
  const record = { city: asWritten(city), temperature: asWritten(temperature), ts: asWritten(ts) }
  return { position: { partition, offset }, record, acceptedAt: timestamp ?? 0 }
}

/**
 * Gives the record of a message of a stream other than weather, as canonical JSON; undefined for messages that become dead
 * letters. `history` has every version of the stream, oldest first.
 */
export const recordReader = (history: ReadonlyArray<AppliedStream>) => {
  const read = canonicalRecord(recordColumns(history))
  return ({ value }: Pick<Message, "value">) => (value === null || !isUtf8(value) ? undefined : read(value.toString()))
}
