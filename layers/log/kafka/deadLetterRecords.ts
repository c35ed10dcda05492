/** Messages of the topic of dead letters: what Kafka Connect put there, and our notes of what was sent again. */
import type { Header, Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import type { DeadLetter, Refusal } from "../../../services/DeadLetters.ts"
import { type PartitionBounds, Position } from "../../../services/EventLog.ts"

const context = "__connect.errors."
const replayed = "floe-replayed"
const replayedTo = "floe-position"

const entriesOf = ({ headers = [] }: Message) =>
  headers.flatMap((header) => Object.entries(header).map(([name, value]) => ({ name, value: Buffer.from(value) })))

/** The last one counts: a message that was refused twice has the older context before the newer. */
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

/** Undefined for a dead letter, also for one whose message had our headers in the log already. */
export const noteOf = (message: Message): Note | undefined => {
  const texts = textsOf(message)
  const position = positionOf(texts.get(replayed) ?? "")
  const at = texts.get(replayedTo)
  if (position === undefined || at === undefined || texts.has(`${context}topic`)) return undefined
  return { position, at }
}

export const noteHeaders = ({ position, at }: Note): ReadonlyArray<Header> => [
  { [replayed]: `${position.partition}/${position.offset}` },
  { [replayedTo]: at }
]

/** For who reads the topic by other means. */
export const noteValue = (topic: string, { position, at }: Note) =>
  Buffer.from(`${placeOf(topic, position)} was sent again and is at ${at}`)

const Source = Schema.Struct({
  topic: Schema.NonEmptyString,
  partition: Schema.FiniteFromString.pipe(Schema.decodeTo(Position.fields.partition)),
  offset: Schema.FiniteFromString.pipe(Schema.decodeTo(Position.fields.offset))
})
const decodeSource = Schema.decodeUnknownOption(Source)

/** The transform's sentences begin with what is wrong, up to the semicolon. */
const reasonOf = ({ stage, by, message, exception }: Refusal) => {
  if (stage === "VALUE_CONVERTER" && by?.endsWith(".JsonConverter")) return "not JSON"
  const first =
    /^[^;\n]*/
      .exec(message ?? "")?.[0]
      .trim()
      .replace(/[.:]$/, "") ?? ""
  if (first === "") return exception?.replace(/^.*\./, "") || "no reason is given"
  return first.replace(/^The field /, "").replace(/^The value/, "the value")
}

export const letterOf = (message: Message, replays: ReadonlyArray<string>): DeadLetter => {
  const texts = textsOf(message)
  const said = (name: string) => texts.get(`${context}${name}`) ?? null
  const refusal: Refusal = {
    connector: said("connector.name"),
    task: said("task.id"),
    stage: said("stage"),
    by: said("class.name"),
    exception: said("exception.class.name"),
    message: said("exception.message"),
    trace: said("exception.stacktrace")
  }
  const source = decodeSource({ topic: said("topic"), partition: said("partition"), offset: said("offset") })
  const { partition, offset, timestamp, key, value } = message
  return {
    position: { partition, offset },
    loggedAt: timestamp ?? 0,
    source: Option.match(source, { onNone: () => null, onSome: (source) => placeOf(source.topic, source) }),
    reason: reasonOf(refusal),
    refusal,
    key,
    value,
    headers: entriesOf(message).filter(({ name }) => !name.startsWith(context)),
    replays
  }
}

/**
 * Folds the topic as far as it goes: its notes, and how many dead letters there are. Each note takes some 150 bytes of
 * memory. Where records expire, a note outlives the dead letter that it is of.
 */
export const folding = (parts: ReadonlyArray<PartitionBounds>) => {
  const notes = new Map<number, Set<number>>()
  const places = new Map<number, Map<number, ReadonlyArray<string>>>()
  let letters = 0
  let replayed = 0

  const replaysOf = ({ partition, offset }: Position) => places.get(partition)?.get(offset) ?? []

  const isThere = ({ partition, offset }: Position) => offset >= (parts[partition]?.start ?? Number.POSITIVE_INFINITY)

  /** Two commands at once may note the same replay. */
  const add = ({ position, at }: Note) => {
    if (!isThere(position)) return
    const before = replaysOf(position)
    if (before.includes(at)) return
    if (before.length === 0) replayed++
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
    replaysOf,
    counts: () => ({ waiting: letters - replayed, replayed })
  }
}
