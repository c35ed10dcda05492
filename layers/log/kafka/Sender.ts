/** Hands records to the producer and waits for all of their acknowledgements. */
import type { Header } from "@confluentinc/kafka-javascript"
import { Effect, Latch } from "effect"
import { AppendOutcomeUnknown, LogUnavailable, type Position, RecordTooLarge } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import { codeOf } from "./client.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import type { Batch, Producer } from "./Producer.ts"
import { bytesOf } from "./recordLimit.ts"
import { valueOf } from "./records.ts"

/** Records that may wait for the broker; one append alone may be larger. */
const maxWaiting = 50_000

interface Sending {
  readonly records: ReadonlyArray<WeatherRecord>
  readonly key: string | null
  readonly headers: (index: number) => ReadonlyArray<Header> | undefined
  readonly acceptedAt: number
  readonly delivered: (index: number, position: Position) => void
  /** Told also when nobody waits for the answer any more. */
  readonly over: (outcome: "delivered" | "refused" | "uncertain") => void
}

export interface Sender {
  /** Hands the records over at once, and not when the effect runs: that waits for the outcome. */
  readonly hand: (
    sending: Sending
  ) => Effect.Effect<ReadonlyArray<Position>, LogUnavailable | AppendOutcomeUnknown | RecordTooLarge>
  /** Why so many records would be refused now. */
  readonly refusal: (records: number) => LogUnavailable | undefined
  readonly waiting: () => number
  /** Waits until all that was handed over is answered; a flush of the client's ends before its last reports have come. */
  readonly settled: Effect.Effect<void>
  /** Answers what is left, as nobody will report it. */
  readonly abandon: (reason: string) => void
}

const refused = (reason: string, cause?: unknown) => new LogUnavailable({ operation: "append", reason, cause })
const uncertain = (reason: string, cause?: unknown) => new AppendOutcomeUnknown({ operation: "append", reason, cause })

/** The topic's limit was set lower after it was read; it is read again, and the next try is by that. */
const shrunk = "the topic takes only smaller records than before (max.message.bytes); try again"

type Outcome = Effect.Effect<ReadonlyArray<Position>, AppendOutcomeUnknown | LogUnavailable>

export const make = (
  producer: () => Producer | undefined,
  /** Why nothing may be handed over now, as the end of a sentence. */
  closed: () => string | undefined,
  failure: (cause: unknown) => KafkaFailure,
  /** How many bytes of a record the topic takes; undefined where that is not known. */
  limit: () => number | undefined = () => undefined
): Sender => {
  let waiting = 0
  const unanswered = new Set<(reason: string) => void>()
  const settled = Latch.makeUnsafe(true)

  const refusal = (records: number) => {
    const reason = closed()
    if (reason !== undefined) return refused(reason)
    if (waiting > 0 && waiting + records > maxWaiting) {
      return refused(`${plural(waiting, "record is", "records are")} waiting for the broker already; try again later`)
    }
    return undefined
  }

  const hand: Sender["hand"] = ({ records, key, headers, acceptedAt, delivered, over }) => {
    const to = producer()
    const no = refusal(records.length)
    if (no !== undefined || to === undefined) {
      over("refused")
      return Effect.fail(no ?? refused("it is being connected"))
    }
    const messages = records.map((record, index) => ({ value: valueOf(record), headers: headers(index) }))
    const most = limit()
    if (most !== undefined) {
      for (const [index, { value, headers }] of messages.entries()) {
        const bytes = bytesOf(value, key, headers)
        if (bytes <= most) continue
        over("refused")
        return Effect.fail(new RecordTooLarge({ index, bytes, limit: most }))
      }
    }
    const positions: Array<Position> = []
    let handed = 0
    let logged = 0
    let stopped: unknown
    let outcome: Outcome | undefined
    let resume = (_: Outcome) => {}

    const end = (result: Outcome, kind: "delivered" | "refused" | "uncertain") => {
      if (!unanswered.delete(abandoned)) return
      waiting -= handed
      over(kind)
      outcome = result
      resume(outcome)
      if (unanswered.size === 0) settled.openUnsafe()
    }
    const doubtful = (reason: string, cause?: unknown) => end(Effect.fail(uncertain(reason, cause)), "uncertain")
    const abandoned = (reason: string) => doubtful(reason)
    const batch: Batch = {
      open: 0,
      failure: undefined,
      tooLarge: 0,
      delivered: (index, partition, offset) => {
        const position = { partition, offset }
        positions[index] = position
        logged++
        delivered(index, position)
      },
      done: () => {
        if (batch.failure !== undefined) {
          // The broker takes a batch whole or not at all, and this it says for certain.
          if (logged === 0 && batch.tooLarge === handed)
            return end(Effect.fail(refused(shrunk, batch.failure)), "refused")
          return doubtful(failure(batch.failure).reason, batch.failure)
        }
        if (handed < records.length) return doubtful("the client's queue was full", stopped)
        end(Effect.succeed(positions), "delivered")
      }
    }
    for (const [index, { value, headers }] of messages.entries()) {
      try {
        to.send(batch, index, value, key, acceptedAt, headers)
        handed++
      } catch (cause) {
        stopped = cause
        break
      }
    }
    if (handed === 0) {
      over("refused")
      const reason = codeOf(stopped) === codes.queueFull ? "the client's queue is full" : failure(stopped).reason
      return Effect.fail(refused(reason, stopped))
    }
    waiting += handed
    unanswered.add(abandoned)
    settled.closeUnsafe()
    return Effect.callback((answer) => {
      if (outcome === undefined) resume = answer
      else answer(outcome)
    })
  }

  return {
    hand,
    refusal,
    waiting: () => waiting,
    settled: settled.await,
    abandon: (reason) => {
      for (const answer of unanswered) answer(reason)
    }
  }
}
