/**
 * The records of a processor's state topic. `window/<start>/<key>` is an open window, or with start 0 a key of a fold, with a
 * tombstone once it is closed; `progress` how far the input is processed; `tick/<n>` a moment at which windows were closed by
 * the clock; `heartbeat` the copy that works. The topic of what brings the input into another key's order has `rekeyed` in place
 * of `progress`.
 */
import type { Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import type { StateRow } from "../core/Task.ts"

const ProgressRecord = Schema.Struct({
  /** Offset of the next event of the input's partition. */
  next: Schema.Int,
  /** Offset of the first event that it has read; 0 without it. */
  first: Schema.optionalKey(Schema.Int),
  /** Milliseconds since 1970; null before the first event, and without windows. */
  watermark: Schema.NullOr(Schema.Int),
  /** The id of the input's topic; a recreated topic has another. */
  input: Schema.String,
  definition: ProcessorDefinition
})
export type ProgressRecord = typeof ProgressRecord.Type

const RekeyedRecord = Schema.Struct({
  /** Offset of the next event of each partition of the input. */
  next: Schema.Array(Schema.Int),
  /** Offset of the first event of each partition that it has read; 0 without it. */
  first: Schema.optionalKey(Schema.Array(Schema.Int)),
  /** The ids of the input's topic, and of the one by key. */
  input: Schema.String,
  output: Schema.String,
  definition: ProcessorDefinition
})
export type RekeyedRecord = typeof RekeyedRecord.Type

const TickRecord = Schema.Struct({ next: Schema.Int, at: Schema.Int })

const Heartbeat = Schema.Struct({
  /** Of the copy that works. */
  id: Schema.String,
  count: Schema.Int,
  /** Events per second since the one before. */
  rate: Schema.optionalKey(Schema.Finite),
  /** Why it works no more: a sentence. */
  stopped: Schema.optionalKey(Schema.String)
})
type Heartbeat = typeof Heartbeat.Type

const progressText = Schema.fromJsonString(ProgressRecord)
const decodeProgress = Schema.decodeUnknownOption(progressText)
const encodeProgress = Schema.encodeSync(progressText)
const rekeyedText = Schema.fromJsonString(RekeyedRecord)
const decodeRekeyed = Schema.decodeUnknownOption(rekeyedText)
const encodeRekeyed = Schema.encodeSync(rekeyedText)
const heartbeatText = Schema.fromJsonString(Heartbeat)
const decodeHeartbeat = Schema.decodeUnknownOption(heartbeatText)
const encodeHeartbeat = Schema.encodeSync(heartbeatText)
const decodeTick = Schema.decodeUnknownOption(Schema.fromJsonString(TickRecord))

export const windowKey = (key: string, start: number) => Buffer.from(`window/${start}/${key}`)
export const windowValue = ({ end, state }: StateRow) => Buffer.from(`{"end":${end},"state":${state}}`)
export const progressKey = Buffer.from("progress")
export const progressValue = (record: ProgressRecord) => Buffer.from(encodeProgress(record))
export const rekeyedKey = Buffer.from("rekeyed")
export const rekeyedValue = (record: RekeyedRecord) => Buffer.from(encodeRekeyed(record))
export const tickKey = (n: number) => Buffer.from(`tick/${n}`)
export const tickValue = (tick: typeof TickRecord.Type) => Buffer.from(JSON.stringify(tick))
export const heartbeatKey = Buffer.from("heartbeat")
export const heartbeatValue = (heartbeat: Heartbeat) => Buffer.from(encodeHeartbeat(heartbeat))

export type StateRecord =
  | { readonly _tag: "Window"; readonly row: StateRow }
  | { readonly _tag: "Closed"; readonly key: string; readonly start: number }
  | { readonly _tag: "Progress"; readonly progress: ProgressRecord }
  | { readonly _tag: "Rekeyed"; readonly rekeyed: RekeyedRecord }
  | { readonly _tag: "Tick"; readonly n: number; readonly tick: typeof TickRecord.Type }
  | { readonly _tag: "Heartbeat"; readonly heartbeat: Heartbeat | undefined }

const windowOf = (start: number, key: string, value: string | undefined): StateRecord | undefined => {
  if (value === undefined) return { _tag: "Closed", key, start }
  const [, end, state] = /^\{"end":(-?\d{1,17}),"state":(\{.*\})\}$/s.exec(value) ?? []
  return state === undefined ? undefined : { _tag: "Window", row: { key, start, end: Number(end), state } }
}

/** Undefined for what cannot be read. */
export const stateRecordOf = ({ key, value }: Message): StateRecord | undefined => {
  const name = key?.toString() ?? ""
  const text = value?.toString()
  const [, start, windowKey] = /^window\/(-?\d{1,17})\/(.*)$/s.exec(name) ?? []
  if (windowKey !== undefined) return windowOf(Number(start), windowKey, text)
  // One that cannot be read is a sign of life too.
  if (name === "heartbeat") return { _tag: "Heartbeat", heartbeat: Option.getOrUndefined(decodeHeartbeat(text)) }
  if (name === "progress") {
    const progress = Option.getOrUndefined(decodeProgress(text))
    return progress === undefined ? undefined : { _tag: "Progress", progress }
  }
  if (name === "rekeyed") {
    const rekeyed = Option.getOrUndefined(decodeRekeyed(text))
    return rekeyed === undefined ? undefined : { _tag: "Rekeyed", rekeyed }
  }
  const [, n] = /^tick\/(\d{1,15})$/.exec(name) ?? []
  const tick = n === undefined ? undefined : Option.getOrUndefined(decodeTick(text))
  return tick === undefined ? undefined : { _tag: "Tick", n: Number(n), tick }
}
