/** Probes what listens at a broker's address, because a client only reports that the connection was closed. */
import { Effect } from "effect"
import { addressOf, exchange } from "../../runtime/tcpExchange.ts"
import { KafkaFailure, reasons } from "./failures.ts"
import type { Security } from "./Security.ts"

/** An ApiVersions request, which a broker answers without authentication. */
const apiVersions = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])
/** By the first byte: a response starts with its length, a TLS alert with 21. */
const kinds = new Map<number | undefined, "plain" | "tls">([
  [0, "plain"],
  [21, "tls"]
])

type Listener = "plain" | "tls" | "none"

const listenerAt = (broker: string) =>
  exchange(addressOf(broker, 9092), apiVersions, (bytes): Listener => kinds.get(bytes[0]) ?? "none").pipe(
    Effect.orElseSucceed((): Listener => "none")
  )

const reasonOf = (listener: Listener, brokers: string, protocol: Security["protocol"]) => {
  const withTls = protocol.endsWith("ssl")
  const sasl = protocol.startsWith("sasl_")
  if (listener === "none") return reasons.notUp(brokers)
  if (listener === "tls") return withTls ? reasons.tls(undefined) : reasons.wantsTls(sasl ? "sasl_ssl" : "ssl")
  if (withTls) return reasons.wantsNoTls(sasl ? "sasl_plaintext" : "plaintext")
  return sasl ? reasons.closed() : reasons.wantsUser()
}

/** Replaces "the connection is closed" by the actual reason, from the first broker that answers; other failures stay. */
export const explained =
  (brokers: string, { protocol }: Security) =>
  (failure: KafkaFailure): Effect.Effect<KafkaFailure> => {
    if (failure.reason._tag !== "ConnectionClosed") return Effect.succeed(failure)
    const all = brokers.split(",").map((broker) => broker.trim())
    return Effect.map(Effect.forEach(all, listenerAt, { concurrency: "unbounded" }), (listeners) => {
      const reason = reasonOf(listeners.find((one) => one !== "none") ?? "none", brokers, protocol)
      return new KafkaFailure({ reason, cause: failure, ...(failure.code === undefined ? {} : { code: failure.code }) })
    })
  }
