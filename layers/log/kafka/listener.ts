/** What listens at a broker's address, where a client only says that the connection is closed. */
import { Effect } from "effect"
import { addressOf, exchange } from "../../runtime/tcpExchange.ts"
import { KafkaFailure, said } from "./failures.ts"
import type { Security } from "./Security.ts"

/** ApiVersions, which a broker answers before it asks who is there. */
const question = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])
/** An answer begins with its length; a listener for TLS sends an alert. */
const kinds = new Map<number | undefined, "plain" | "tls">([
  [0, "plain"],
  [21, "tls"]
])

type Listener = "plain" | "tls" | "nobody"

const listenerAt = (broker: string) =>
  exchange(addressOf(broker, 9092), question, (bytes): Listener => kinds.get(bytes[0]) ?? "nobody").pipe(
    Effect.orElseSucceed((): Listener => "nobody")
  )

const reasonOf = (listener: Listener, brokers: string, protocol: Security["protocol"]) => {
  const withTls = protocol.endsWith("ssl")
  const sasl = protocol.startsWith("sasl_")
  if (listener === "nobody") return said.notUp(brokers)
  if (listener === "tls") return withTls ? said.tls(undefined) : said.wantsTls(sasl ? "sasl_ssl" : "ssl")
  if (withTls) return said.wantsNoTls(sasl ? "sasl_plaintext" : "plaintext")
  return sasl ? said.closed : said.wantsUser
}

/** The same failure; that of a connection which was closed with its cause, by the first of the brokers that answers. */
export const explained =
  (brokers: string, { protocol }: Security) =>
  (failure: KafkaFailure): Effect.Effect<KafkaFailure> => {
    if (failure.reason !== said.closed) return Effect.succeed(failure)
    const all = brokers.split(",").map((broker) => broker.trim())
    return Effect.map(Effect.forEach(all, listenerAt, { concurrency: "unbounded" }), (found) => {
      const reason = reasonOf(found.find((one) => one !== "nobody") ?? "nobody", brokers, protocol)
      return new KafkaFailure({ reason, cause: failure, ...(failure.code === undefined ? {} : { code: failure.code }) })
    })
  }
