/** The connections of a producer: one per broker, opened when it is needed and again after it was lost. */
import type { Connection } from "@platformatic/kafka"
import { Effect } from "effect"
import { Admin } from "./Admin.ts"
import { failureOf } from "./adminFailures.ts"
import { Cluster } from "./Cluster.ts"
import type { Reason } from "./failures.ts"
import type { Client } from "./produceRequest.ts"

/** Milliseconds before a broker is tried again. */
const retryDelay = 100

export interface Broker {
  readonly id: number
  readonly host: string
  readonly port: number
  connection: Connection | undefined
  /** A request is in flight, or the connection is being opened. */
  busy: boolean
  pausedUntil: number
}

interface Listener {
  /** No connection could be opened. */
  readonly onFailure: (reason: Reason, areAllDown: boolean) => void
  readonly onOpen: () => void
}

export const make = Effect.fnUntraced(function* (
  client: Client,
  topic: string,
  now: () => number,
  { onFailure, onOpen }: Listener
) {
  const { timeout, brokers: addresses } = yield* Cluster
  const { options } = yield* Admin
  const brokers = new Map<number, Broker>()
  let closed = false
  const failure = (cause: unknown) => failureOf(cause, addresses, topic)

  const drop = (broker: Broker) => {
    broker.connection?.close(() => {})
    broker.connection = undefined
  }
  const pause = (broker: Broker) => {
    broker.pausedUntil = now() + retryDelay
  }

  const open = (broker: Broker, answer: (error: Error | null) => void) => {
    broker.busy = true
    const connection = new client.Connection("floe", { ...options, requestTimeout: timeout, maxInflights: 1 })
    // The request in flight fails with it.
    connection.on("error", () => {})
    connection.on("close", () => {
      if (broker.connection === connection) broker.connection = undefined
    })
    connection.connect(broker.host, broker.port, (error) => {
      broker.busy = false
      if (closed || error !== null) connection.close(() => {})
      else broker.connection = connection
      answer(error)
    })
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const broker of brokers.values()) drop(broker)
    })
  )

  return {
    failure,
    pause,
    all: () => brokers.values(),
    /** Takes the brokers of the cluster; those that moved get a new connection. */
    update: (found: ReadonlyMap<number, { readonly host: string; readonly port: number }>) => {
      for (const [id, { host, port }] of found) {
        const known = brokers.get(id)
        if (known?.host === host && known.port === port) continue
        if (known !== undefined) drop(known)
        brokers.set(id, { id, host, port, connection: undefined, busy: false, pausedUntil: 0 })
      }
    },
    isUsable: (id: number) => (brokers.get(id)?.pausedUntil ?? Number.POSITIVE_INFINITY) <= now(),
    /** The connection if a request may be sent now; opens it if there is none. */
    ready: (broker: Broker): Connection | undefined => {
      const { connection } = broker
      if (broker.pausedUntil > now()) return undefined
      // While it authenticates again, it is neither connected nor lost.
      if (connection !== undefined) return connection.isConnected() ? connection : undefined
      open(broker, (error) => {
        if (error === null) return onOpen()
        pause(broker)
        const areAllDown = [...brokers.values()].every(({ connection }) => connection === undefined)
        if (!closed) onFailure(failure(error).reason, areAllDown)
      })
      return undefined
    },
    /** A request failed, so its connection is of no use. */
    lost: (broker: Broker) => {
      drop(broker)
      pause(broker)
    },
    /** A connection to a broker; to another one each time, as one of them may be down. */
    first: Effect.callback<Connection, unknown>((resume) => {
      const all = [...brokers.values()]
      const broker = all[Math.floor(Math.random() * all.length)]
      if (broker === undefined) return resume(Effect.fail(new Error("the cluster has no brokers")))
      open(broker, (error) =>
        resume(broker.connection === undefined ? Effect.fail(error) : Effect.succeed(broker.connection))
      )
    }).pipe(Effect.mapError(failure))
  }
})
