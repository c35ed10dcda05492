/** Hands records to the producer and waits for all of their acknowledgements. */
import type { Header } from "@confluentinc/kafka-javascript"
import { Effect, Latch } from "effect"
import { LogUnavailable, LogUncertain, type Position } from "../../services/EventLog.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { codeOf } from "./Client.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import type { Batch, Producer } from "./Producer.ts"
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
  readonly hand: (sending: Sending) => Effect.Effect<ReadonlyArray<Position>, LogUnavailable | LogUncertain>
  /** Why so many records would be refused now. */
  readonly refusal: (records: number) => LogUnavailable | undefined
  readonly waiting: () => number
  /** Waits until all that was handed over is answered; a flush of the client's ends before its last reports have come. */
  readonly settled: Effect.Effect<void>
  /** Answers what is left, as nobody will report it. */
  readonly abandon: (reason: string) => void
}

const refused = (reason: string, cause?: unknown) => new LogUnavailable({ operation: "append", reason, cause })
const uncertain = (reason: string, cause?: unknown) => new LogUncertain({ operation: "append", reason, cause })

export const make = (
  producer: () => Producer | undefined,
  /** Why nothing may be handed over now, as the end of a sentence. */
  closed: () => string | undefined,
  failure: (cause: unknown) => KafkaFailure
): Sender => {
  let waiting = 0
  const unanswered = new Set<(reason: string) => void>()
  const settled = Latch.makeUnsafe(true)

  const refusal = (records: number) => {
    const reason = closed()
    if (reason !== undefined) return refused(reason)
    if (waiting > 0 && waiting + records > maxWaiting) {
      return refused(`${waiting} records are waiting for the broker already; try again later`)
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
    const positions: Array<Position> = []
    let handed = 0
    let stopped: unknown
    let outcome: Effect.Effect<ReadonlyArray<Position>, LogUncertain> | undefined
    let resume = (_: Effect.Effect<ReadonlyArray<Position>, LogUncertain>) => {}

    const end = (reason: string | undefined, cause?: unknown) => {
      if (!unanswered.delete(abandoned)) return
      waiting -= handed
      over(reason === undefined ? "delivered" : "uncertain")
      outcome = reason === undefined ? Effect.succeed(positions) : Effect.fail(uncertain(reason, cause))
      resume(outcome)
      if (unanswered.size === 0) settled.openUnsafe()
    }
    const abandoned = (reason: string) => end(reason)
    const batch: Batch = {
      open: 0,
      failure: undefined,
      delivered: (index, partition, offset) => {
        const position = { partition, offset }
        positions[index] = position
        delivered(index, position)
      },
      done: () => {
        if (batch.failure !== undefined) return end(failure(batch.failure).reason, batch.failure)
        end(handed < records.length ? "the client's queue was full" : undefined, stopped)
      }
    }
    for (const [index, record] of records.entries()) {
      try {
        to.send(batch, index, valueOf(record), key, acceptedAt, headers(index))
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
