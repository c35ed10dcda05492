/**
 * One producer for the topics of all streams but weather. When it can no longer deliver to one of them, the next connection
 * replaces it for all: later messages go to the new client, and the old one closes once it has reported its last message.
 */
import { Effect, Exit, Schedule, Scope, Semaphore } from "effect"
import { monotonic } from "../../runtime/elapsed.ts"
import { Cluster } from "./Cluster.ts"
import { codeOf } from "./client.ts"
import { codes } from "./failures.ts"
import * as Producer from "./Producer.ts"
import type { Connect } from "./ProducerSupervisor.ts"

/** A client reports each message within FLOE_KAFKA_TIMEOUT. */
const drainInterval = "100 millis"

interface Shared {
  readonly client: Producer.Client
  readonly scope: Scope.Closeable
  readonly batchSize: number
  isBroken: boolean
}

/** Troubles of one message; the others are troubles of all topics. */
const isOfTopic = (code: number | undefined) => code !== codes.fatal && code !== codes.allBrokersDown

export const make = Effect.gen(function* () {
  const cluster = yield* Cluster
  const scope = yield* Effect.scope
  const lock = yield* Semaphore.make(1)
  const users = new Map<string, (trouble: Producer.Trouble) => void>()
  let current: Shared | undefined

  const onTrouble = (trouble: Producer.Trouble, topic: string | undefined) => {
    if (topic !== undefined && isOfTopic(codeOf(trouble.cause))) users.get(topic)?.(trouble)
    else for (const report of users.values()) report(trouble)
  }

  const retire = ({ client, scope: ending }: Shared) =>
    Effect.sync(client.inFlight).pipe(
      Effect.repeat({ until: (count) => count === 0, schedule: monotonic(Schedule.spaced(drainInterval)) }),
      Effect.andThen(Scope.close(ending, Exit.void)),
      Effect.forkIn(scope)
    )

  const replace = Effect.fnUntraced(function* (topic: string, batchSize: number) {
    const own = yield* Scope.fork(scope)
    const made: { shared?: Shared } = {}
    const report = (trouble: Producer.Trouble, topic?: string) => {
      if (trouble.fatal && made.shared !== undefined) made.shared.isBroken = true
      onTrouble(trouble, topic)
    }
    const client = yield* Producer.open(topic, report, batchSize).pipe(
      Effect.provideService(Cluster, cluster),
      Scope.provide(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
    const before = current
    current = made.shared = { client, scope: own, batchSize, isBroken: false }
    if (before !== undefined) yield* retire(before)
    return current
  }, Effect.uninterruptible)

  const connect: Connect = Effect.fnUntraced(function* (topic, onTrouble, limit) {
    yield* Effect.acquireRelease(
      Effect.sync(() => users.set(topic, onTrouble)),
      () => Effect.sync(() => users.delete(topic))
    )
    const batchSize = Producer.batchSizeOf(limit)
    const shared = Effect.suspend(() =>
      current === undefined || current.isBroken || current.batchSize > batchSize
        ? replace(topic, Math.min(batchSize, current?.batchSize ?? batchSize))
        : Effect.succeed(current)
    )
    const first = yield* lock.withPermit(shared)
    const producerOf = ({ client }: Shared) => client.to(topic)
    let of = first
    let producer = producerOf(first)
    const latest = () => {
      if (current !== undefined && current !== of) {
        of = current
        producer = producerOf(current)
      }
      return producer
    }
    return {
      send: (...message) => latest().send(...message),
      seen: () => latest().seen()
    }
  })

  return connect
})
