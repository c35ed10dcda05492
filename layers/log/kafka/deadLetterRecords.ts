/** Messages of the dead-letter topic: dead letters from Kafka Connect and from the server, and Floe's records of redrives. */
import type { Header, Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import type { DeadLetter, Rejection } from "../../../services/DeadLetters.ts"
import { type PartitionBounds, Position } from "../../../services/EventLog.ts"
import { isRejectionHeader, rejectionOf } from "./eventRecords.ts"

const context = "__connect.errors."
/** The header has this name in existing topics. */
const redriven = "floe-replayed"
const redrivenTo = "floe-position"

const entriesOf = ({ headers = [] }: Message) =>
  headers.flatMap((header) => Object.entries(header).map(([name, value]) => ({ name, value: Buffer.from(value) })))

/** The last header counts: a message that was rejected twice has both contexts, the newer one last. */
const textsOf = (message: Message) => new Map(entriesOf(message).map(({ name, value }) => [name, value.toString()]))

export const placeOf = (topic: string, { partition, offset }: Position) => `${topic}/${partition}/${offset}`

const positionOf = (text: string): Position | undefined => {
  const [, partition, offset] = /^(\d{1,9})\/(\d{1,15})$/.exec(text) ?? []
  return offset === undefined ? undefined : { partition: Number(partition), offset: Number(offset) }
}

interface Note {
  readonly position: Position
  readonly at: string
}

/** Undefined for a dead letter, even if its message already had Floe's headers in the log. */
export const noteOf = (message: Message): Note | undefined => {
  const texts = textsOf(message)
  const position = positionOf(texts.get(redriven) ?? "")
  const at = texts.get(redrivenTo)
  if (position === undefined || at === undefined || texts.has(`${context}topic`)) return undefined
  return { position, at }
}

export const noteHeaders = ({ position, at }: Note): ReadonlyArray<Header> => [
  { [redriven]: `${position.partition}/${position.offset}` },
  { [redrivenTo]: at }
]

/** Text for readers of the topic that do not know the headers. */
export const noteValue = (topic: string, { position, at }: Note) =>
  Buffer.from(`${placeOf(topic, position)} was sent again and is at ${at}`)

const Source = Schema.Struct({
  topic: Schema.NonEmptyString,
  partition: Schema.FiniteFromString.pipe(Schema.decodeTo(Position.fields.partition)),
  offset: Schema.FiniteFromString.pipe(Schema.decodeTo(Position.fields.offset))
})
const decodeSource = Schema.decodeUnknownOption(Source)

/** The messages of the transform start with the reason, up to a semicolon. */
const reasonOf = ({ stage, by, message, exception }: Rejection) => {
  if (stage === "VALUE_CONVERTER" && by?.endsWith(".JsonConverter")) return "not JSON"
  const first =
    /^[^;\n]*/
      .exec(message ?? "")?.[0]
      .trim()
      .replace(/[.:]$/, "") ?? ""
  if (first === "") return exception?.replace(/^.*\./, "") || "no reason is given"
  return first.replace(/^The field /, "").replace(/^The value/, "the value")
}

export const letterOf = (message: Message, redrives: ReadonlyArray<string>): DeadLetter => {
  const texts = textsOf(message)
  const reported = (name: string) => texts.get(`${context}${name}`) ?? null
  const rejection: Rejection = {
    connector: reported("connector.name"),
    task: reported("task.id"),
    stage: reported("stage"),
    by: reported("class.name"),
    exception: reported("exception.class.name"),
    message: reported("exception.message"),
    trace: reported("exception.stacktrace")
  }
  const source = decodeSource({
    topic: reported("topic"),
    partition: reported("partition"),
    offset: reported("offset")
  })
  const { partition, offset, timestamp, key, value } = message
  return {
    position: { partition, offset },
    loggedAt: timestamp ?? 0,
    source: Option.match(source, { onNone: () => null, onSome: (source) => placeOf(source.topic, source) }),
    reason: texts.has(`${context}topic`) ? reasonOf(rejection) : (rejectionOf(texts) ?? reasonOf(rejection)),
    rejection,
    key,
    value,
    headers: entriesOf(message).filter(({ name }) => !name.startsWith(context) && !isRejectionHeader(name)),
    redrives
  }
}

/**
 * Folds the topic into its redrives and the number of its dead letters. Each redrive takes about 150 bytes of memory.
 * Where records expire, a redrive outlives its dead letter.
 */
export const folding = (parts: ReadonlyArray<PartitionBounds>) => {
  const notes = new Map<number, Set<number>>()
  const places = new Map<number, Map<number, ReadonlyArray<string>>>()
  let letters = 0
  let redriven = 0

  const redrivesOf = ({ partition, offset }: Position) => places.get(partition)?.get(offset) ?? []

  const isKept = ({ partition, offset }: Position) => offset >= (parts[partition]?.start ?? Number.POSITIVE_INFINITY)

  // Two concurrent commands may record the same redrive.
  const add = ({ position, at }: Note) => {
    if (!isKept(position)) return
    const before = redrivesOf(position)
    if (before.includes(at)) return
    if (before.length === 0) redriven++
    const ofPartition = places.get(position.partition) ?? new Map<number, ReadonlyArray<string>>()
    places.set(position.partition, ofPartition.set(position.offset, [...before, at]))
  }

  return {
    take: (message: Message) => {
      const note = noteOf(message)
      if (note === undefined) letters++
      else {
        notes.set(message.partition, (notes.get(message.partition) ?? new Set<number>()).add(message.offset))
        add(note)
      }
    },
    isNote: ({ partition, offset }: Position) => notes.get(partition)?.has(offset) === true,
    redrivesOf,
    counts: () => ({ waiting: letters - redriven, redriven })
  }
}
