import type { Message } from "@confluentinc/kafka-javascript"
import { Array as Arr, Cause, Effect, Layer, Scope, Stream } from "effect"
import { DeadLetters, DeadLettersUnavailable, NoSuchDeadLetter } from "../../../services/DeadLetters.ts"
import type { LogCorrupt, LogUnavailable, PartitionBounds, Position } from "../../../services/EventLog.ts"
import { Streams } from "../../../services/Streams.ts"
import { deadLettersOf } from "../../../services/Topics.ts"
import { Cluster } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import { folding, letterOf, noteHeaders, noteValue, placeOf } from "./deadLetterRecords.ts"
import type { KafkaFailure } from "./failures.ts"
import * as Producer from "./Producer.ts"
import { sendOne } from "./sendOne.ts"
import { topicNames } from "./topicNames.ts"

const reasonOf = (cause: KafkaFailure | LogUnavailable | LogCorrupt) =>
  cause._tag === "LogCorrupt" ? cause.reason : cause.reason.message
const unavailable = (operation: string) => (cause: KafkaFailure | LogUnavailable | LogCorrupt) =>
  new DeadLettersUnavailable({ operation, reason: reasonOf(cause), cause })

const make = Effect.gen(function* () {
  const cluster = yield* Cluster
  const streams = yield* Streams
  const scope = yield* Effect.scope
  const context = yield* Effect.context<Scope.Scope>()
  const topicOf = (stream: string) =>
    topicNames.pipe(
      Effect.map(({ ofStream }) => deadLettersOf(ofStream(stream))),
      Effect.provideService(Streams, streams)
    )

  const boundsOf = Effect.fnUntraced(function* (name: string) {
    const { id, partitions } = yield* cluster.describe(name)
    return { id, parts: yield* cluster.bounds(name, partitions.length, "read_committed") }
  })

  const consumersOf = (name: string) =>
    Consumer.make(name, "read_committed").pipe(Effect.provideService(Cluster, cluster), Effect.provideContext(context))
  const producerOf = (name: string) =>
    Producer.connect(name, () => {}).pipe(Effect.provideService(Cluster, cluster), Scope.provide(scope))
  const producers = new Map<string, Effect.Effect<Producer.Producer, KafkaFailure>>()

  const messagesOf =
    (consumers: Consumer.Consumers) =>
    ({ partition, start, end }: PartitionBounds) =>
      Stream.unwrap(
        Effect.gen(function* () {
          if (start >= end) return Stream.empty
          const cursor = yield* consumers.open([{ partition, offset: start }])
          let next = start
          const more = Effect.gen(function* () {
            while (next < end) {
              const batch: ReadonlyArray<Message> = yield* cursor.next
              next = Consumer.nextOffset(cursor, partition, next, batch)
              const wanted = batch.filter(({ offset }) => offset < end)
              if (Arr.isReadonlyArrayNonEmpty(wanted)) return wanted
            }
            return yield* Cause.done()
          })
          return Stream.fromPull(Effect.succeed(more))
        })
      )

  const now = Effect.fn("DeadLetters.now")(
    function* (stream: string, onProgress: (read: number, total: number) => Effect.Effect<void>) {
      const name = yield* topicOf(stream)
      const { id, parts } = yield* boundsOf(name)
      const messages = messagesOf(yield* consumersOf(name))
      const total = parts.reduce((sum, { start, end }) => sum + end - start, 0)
      const fold = folding(parts)
      const places = new Map<number, number>()
      const readIn = ({ partition, start }: PartitionBounds) => (places.get(partition) ?? start) - start
      yield* Stream.fromIterable(parts).pipe(
        Stream.flatMap(messages),
        Stream.runForEachArray((some) => {
          for (const message of some) {
            fold.take(message)
            places.set(message.partition, message.offset + 1)
          }
          return onProgress(
            parts.reduce((sum, part) => sum + readIn(part), 0),
            total
          )
        })
      )
      // The last offsets may be the markers of transactions.
      if (total > 0) yield* onProgress(total, total)

      const letter = (message: Message) => letterOf(message, fold.redrivesOf(message))
      const missing = (reason: string) => new NoSuchDeadLetter({ reason })

      const within = Effect.fnUntraced(function* (position: Position) {
        const place = placeOf(name, position)
        const partition = parts[position.partition]
        if (partition === undefined) return yield* missing(`The topic ${name} has no partition ${position.partition}`)
        if (position.offset < partition.start || position.offset >= partition.end) {
          const range =
            partition.start === partition.end ? "is empty" : `has ${partition.start} to ${partition.end - 1}`
          return yield* missing(`There is no dead letter at ${place}: partition ${position.partition} ${range}`)
        }
        if (fold.isNote(position)) {
          return yield* missing(`The message at ${place} is not a dead letter: it records that one was sent again`)
        }
      })

      const find = Effect.fnUntraced(function* (position: Position) {
        yield* within(position)
        const one = messages({ ...position, start: position.offset, end: position.offset + 1 })
        const [message] = yield* Effect.mapError(Stream.runCollect(one), unavailable("find"))
        return message === undefined
          ? yield* missing(`There is no message at ${placeOf(name, position)}`)
          : letter(message)
      })

      return {
        topic: name,
        topicId: id,
        ...fold.counts(),
        letters: Stream.fromIterable(parts).pipe(
          Stream.flatMap(messages),
          Stream.filter((message) => !fold.isNote(message)),
          Stream.map(letter),
          Stream.mapError(unavailable("read"))
        ),
        find,
        redrivesOf: (position: Position) => Effect.as(within(position), fold.redrivesOf(position))
      }
    },
    Effect.mapError(unavailable("read"))
  )

  const remember = Effect.fn("DeadLetters.remember")(
    function* (stream: string, position: Position, at: string) {
      const name = yield* topicOf(stream)
      const note = { position, at }
      const known = producers.get(name) ?? (yield* Effect.cached(producerOf(name)))
      producers.set(name, known)
      const message = { key: null, value: noteValue(name, note), headers: noteHeaders(note) }
      yield* Effect.provideService(sendOne(name, yield* known, message), Cluster, cluster)
    },
    Effect.mapError(unavailable("remember"))
  )

  return DeadLetters.of({ now, remember })
})

export const layer = Layer.effect(DeadLetters, make).pipe(Layer.provide(Cluster.layer))
