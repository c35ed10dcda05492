/** Gives records to the producer and waits for all acknowledgements. */
import type { Header } from "@confluentinc/kafka-javascript"
import { Effect, Latch } from "effect"
import {
  AppendOutcomeUnknown,
  type LogRecord,
  LogUnavailable,
  type Position,
  RecordTooLarge
} from "../../../services/EventLog.ts"
import { plural } from "../../runtime/plural.ts"
import { codeOf } from "./client.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import type { Batch, Producer } from "./Producer.ts"
import { bytesOf } from "./recordLimit.ts"
import { valueOf } from "./records.ts"

/** Most records that wait for the broker; a single append may be larger. */
const maxWaiting = 50_000

interface Sending {
  readonly records: ReadonlyArray<LogRecord>
  /** The message key of all records. */
  readonly key: string | null
  /** The message key of each record in its place. */
  readonly keyOf?: ((index: number) => Buffer | string | null) | undefined
  readonly headers: (index: number) => ReadonlyArray<Header> | undefined
  readonly acceptedAt: number
  readonly onDelivered: (index: number, position: Position) => void
  /** Called even if the caller was interrupted. */
  readonly onEnd: (outcome: "delivered" | "rejected" | "unknown") => void
}

export interface Sender {
  /** Sends the records when it is called, not when the effect runs; the effect waits for the outcome. */
  readonly send: (
    sending: Sending
  ) => Effect.Effect<ReadonlyArray<Position>, LogUnavailable | AppendOutcomeUnknown | RecordTooLarge>
  /** The first record that the topic would not take. */
  readonly tooLarge: (messages: Pick<Sending, "records" | "key" | "keyOf" | "headers">) => RecordTooLarge | undefined
  /** Why an append of this many records would fail now. */
  readonly rejection: (records: number) => LogUnavailable | undefined
  readonly waiting: () => number
  /** Waits for all outcomes; the client's own flush ends before its last delivery reports. */
  readonly settled: Effect.Effect<void>
  /** Ends what is still waiting with an unknown outcome. */
  readonly abandon: (reason: string) => void
}

const unavailable = (reason: string, cause?: unknown) => LogUnavailable.because("append", reason, cause)
const outcomeUnknown = (reason: string, cause?: unknown) =>
  new AppendOutcomeUnknown({ operation: "append", reason, cause })

/** The limit was lowered after it was read; it is read again before the next try. */
const limitLowered = "the topic's max.message.bytes was lowered; try again"

type Outcome = Effect.Effect<ReadonlyArray<Position>, AppendOutcomeUnknown | LogUnavailable>

export const make = (
  producer: () => Producer | undefined,
  /** Why nothing may be sent now, as the end of a sentence. */
  closed: () => string | undefined,
  failure: (cause: unknown) => KafkaFailure,
  /** The largest record of the topic in bytes; undefined if unknown. */
  limit: () => number | undefined = () => undefined
): Sender => {
  let waiting = 0
  const unanswered = new Set<(reason: string) => void>()
  const settled = Latch.makeUnsafe(true)

  const rejection = (records: number) => {
    const reason = closed()
    if (reason !== undefined) return unavailable(reason)
    if (waiting > 0 && waiting + records > maxWaiting) {
      return unavailable(
        `${plural(waiting, "record is", "records are")} waiting for the broker already; try again later`
      )
    }
    return undefined
  }

  const messagesOf = ({ records, key, keyOf, headers }: Pick<Sending, "records" | "key" | "keyOf" | "headers">) =>
    records.map((record, index) => ({
      value: valueOf(record),
      key: keyOf === undefined ? key : keyOf(index),
      headers: headers(index)
    }))

  const tooLargeIn = (messages: ReturnType<typeof messagesOf>) => {
    const maxBytes = limit()
    if (maxBytes === undefined) return undefined
    for (const [index, { value, key, headers }] of messages.entries()) {
      const bytes = bytesOf(value, key, headers)
      if (bytes > maxBytes) return new RecordTooLarge({ index, bytes, limit: maxBytes })
    }
    return undefined
  }

  const send: Sender["send"] = (sending) => {
    const { records, acceptedAt, onDelivered, onEnd } = sending
    const target = producer()
    const rejected = rejection(records.length)
    if (rejected !== undefined || target === undefined) {
      onEnd("rejected")
      return Effect.fail(rejected ?? unavailable("it is connecting"))
    }
    const messages = messagesOf(sending)
    const tooLarge = tooLargeIn(messages)
    if (tooLarge !== undefined) {
      onEnd("rejected")
      return Effect.fail(tooLarge)
    }
    const positions: Array<Position> = []
    let sent = 0
    let logged = 0
    let stopped: unknown
    let outcome: Outcome | undefined
    let resume = (_: Outcome) => {}

    const end = (result: Outcome, kind: "delivered" | "rejected" | "unknown") => {
      if (!unanswered.delete(abandoned)) return
      waiting -= sent
      onEnd(kind)
      outcome = result
      resume(outcome)
      if (unanswered.size === 0) settled.openUnsafe()
    }
    const endUnknown = (reason: string, cause?: unknown) => end(Effect.fail(outcomeUnknown(reason, cause)), "unknown")
    const abandoned = (reason: string) => endUnknown(reason)
    const batch: Batch = {
      open: 0,
      failure: undefined,
      tooLarge: 0,
      delivered: (index, partition, offset) => {
        const position = { partition, offset }
        positions[index] = position
        logged++
        onDelivered(index, position)
      },
      done: () => {
        if (batch.failure !== undefined) {
          // The broker accepts a batch completely or not at all, so nothing of it was logged.
          if (logged === 0 && batch.tooLarge === sent)
            return end(Effect.fail(unavailable(limitLowered, batch.failure)), "rejected")
          return endUnknown(failure(batch.failure).reason.message, batch.failure)
        }
        if (sent < records.length) return endUnknown("the client's queue was full", stopped)
        end(Effect.succeed(positions), "delivered")
      }
    }
    for (const [index, { value, key, headers }] of messages.entries()) {
      try {
        target.send(batch, index, value, key, acceptedAt, headers)
        sent++
      } catch (cause) {
        stopped = cause
        break
      }
    }
    if (sent === 0) {
      onEnd("rejected")
      const reason =
        codeOf(stopped) === codes.queueFull ? "the client's queue is full" : failure(stopped).reason.message
      return Effect.fail(unavailable(reason, stopped))
    }
    waiting += sent
    unanswered.add(abandoned)
    settled.closeUnsafe()
    return Effect.callback((answer) => {
      if (outcome === undefined) resume = answer
      else answer(outcome)
    })
  }

  return {
    send,
    tooLarge: (messages) => tooLargeIn(messagesOf(messages)),
    rejection,
    waiting: () => waiting,
    settled: settled.await,
    abandon: (reason) => {
      for (const answer of unanswered) answer(reason)
    }
  }
}
