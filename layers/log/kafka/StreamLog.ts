/**
 * The log of one stream: its topic, and its dead-letter topic for the events that the server rejected. Dead letters are
 * durable before the events are sent: if the server dies between the two, or an append is tried again without a key, a dead
 * letter may be kept twice, but no event is logged twice. With the same key, neither is.
 */
import { Effect, Scope } from "effect"
import {
  type Append,
  type Appended,
  AppendOutcomeUnknown,
  type IdempotencyKey,
  type LogUnavailable,
  type RecordTooLarge,
  type Rejected
} from "../../../services/EventLog.ts"
import { deadLettersOf } from "../../../services/Topics.ts"
import type { Admin } from "./Admin.ts"
import type { Cluster } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import { headersOf, keyOf, rejectedHeaders, rejectedKeyOf } from "./eventRecords.ts"
import type { KeyBudget } from "./IdempotencyIndex.ts"
import type { Connect } from "./ProducerSupervisor.ts"
import * as TopicLog from "./TopicLog.ts"

export type StreamAppend = Extract<Append, { readonly stream: string }>
/** Reads the message key of an event of this version of the stream. */
export type KeyReaders = (version: number) => Effect.Effect<(event: string) => Buffer | string | null, LogUnavailable>

interface Options {
  readonly connect: Connect
  readonly budget: KeyBudget
  readonly keyReaders: KeyReaders
}

const halfDone = (error: LogUnavailable | RecordTooLarge) => {
  const reason = error._tag === "LogUnavailable" ? error.reason.message : error.message.replace(/\.$/, "")
  return new AppendOutcomeUnknown({
    operation: "append",
    reason: `its dead letters are kept, but its events were not logged: ${reason}`,
    cause: error
  })
}

export const make = Effect.fnUntraced(function* (stream: string, { connect, budget, keyReaders }: Options) {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<Cluster | Admin>()
  const topicLog = Effect.fnUntraced(function* (topic: string, keyed: typeof keyOf) {
    return yield* TopicLog.make<string>({
      topic,
      consumers: yield* Consumer.make(topic),
      messages: { keyOf: keyed, tsOf: () => "" },
      connect,
      budget,
      tsOf: () => "",
      withTs: (record) => record
    })
  })
  const log = yield* topicLog(stream, keyOf)
  // Most streams have no dead letters, and need no keys of them before the first request that has one.
  const letters = yield* Effect.cached(
    topicLog(deadLettersOf(stream), rejectedKeyOf).pipe(
      Effect.orDie,
      Effect.uninterruptible,
      Scope.provide(scope),
      Effect.provideContext(context)
    )
  )

  const lettersOf = (rejected: ReadonlyArray<Rejected>, idempotency: IdempotencyKey | undefined) => ({
    records: rejected.map(({ value }) => value),
    idempotency,
    key: null,
    headers: (index: number, first?: IdempotencyKey) =>
      rejectedHeaders(rejected[index]?.reason ?? "", first ?? idempotency, index, rejected.length)
  })

  const appended = ({ positions, repeated }: Appended): Appended => ({ positions, repeated })

  const append = Effect.fnUntraced(function* (append: StreamAppend) {
    const { idempotency, records, rejected = [], schemaVersion } = append
    const keyReader = yield* keyReaders(schemaVersion)
    const events = {
      records,
      idempotency,
      key: null,
      keyOf: (index: number) => keyReader(records[index] ?? ""),
      headers: (index: number, first?: IdempotencyKey) =>
        headersOf(schemaVersion, first ?? idempotency, index, records.length)
    }
    if (rejected.length === 0) {
      // Without a dead-letter topic no request was rejected as a whole. If its broker is down, the append below fails, too.
      if (idempotency !== undefined) {
        yield* Effect.catchTag((yield* letters).checkKey(idempotency), "LogUnavailable", () => Effect.void)
      }
      return appended(yield* log.append(events))
    }
    if (records.length > 0) yield* log.check(events)
    else if (idempotency !== undefined) yield* log.checkKey(idempotency)
    const kept = yield* (yield* letters).append(lettersOf(rejected, idempotency))
    if (records.length === 0) return { positions: [], repeated: kept.repeated }
    const logged = yield* Effect.mapError(log.append(events), (error) =>
      error._tag === "LogUnavailable" || error._tag === "RecordTooLarge" ? halfDone(error) : error
    )
    return { positions: logged.positions, repeated: logged.repeated && kept.repeated }
  })

  return {
    // A caller that goes away between the two topics leaves no request half done.
    append: (request: StreamAppend) =>
      request.rejected === undefined || request.rejected.length === 0
        ? append(request)
        : Effect.uninterruptible(append(request))
  }
})
export type StreamLog = Effect.Success<ReturnType<typeof make>>
