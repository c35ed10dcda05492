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
import { type Recognize, recognizing as recognizingLogged } from "../../ingest/checker/LoggedEvents.ts"
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
 * Of another stream, whose versions are `history`, oldest first. Other programs may mix the forms of several versions in one
 * event; the version is then the newest one.
 */
export const recognizing = (history: ReadonlyArray<AppliedStream>): Recognize => {
  const newest = history.at(-1)
  // Another program may have left such a column out, and the connector then rejects the event.
  const isServerSet = newest?.definition.columns.some(({ required, type }) => required && type === "accepted") === true
  const recognizeLogged = recognizingLogged(history)
  const read = canonicalRecord(recordColumns(history))
  return (text, version) => {
    const logged = isServerSet ? undefined : recognizeLogged(text, version)
    if (logged !== undefined) return logged
    const record = read(text)
    if (record === undefined) return undefined
    return recognizeLogged(record, version) ?? { record, schemaVersion: newest?.version ?? 1 }
  }
}
