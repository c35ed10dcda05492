/** Failures of the admin client, in the same words as those of the native client. */
import { Predicate } from "effect"
import { because, codes, KafkaFailure, lasting, opensslOf, reasons } from "./failures.ts"

interface Fault {
  readonly message: string
  /** Node's or the client's code, for example ECONNREFUSED or PLT_KFK_AUTHENTICATION. */
  readonly code: string | undefined
  /** The broker's error code. */
  readonly answered: number | undefined
}

const faultOf = (error: Error): Fault => ({
  message: error.message,
  code: Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : undefined,
  answered: Predicate.hasProperty(error, "apiCode") && typeof error.apiCode === "number" ? error.apiCode : undefined
})

const faultsOf = (error: unknown): ReadonlyArray<Fault> => {
  if (!(error instanceof Error)) return []
  const parts: ReadonlyArray<unknown> = error instanceof AggregateError ? error.errors : []
  return [faultOf(error), ...faultsOf(error.cause), ...parts.flatMap(faultsOf)]
}

/** The client's messages for a broker that requires TLS or has closed the connection. */
const closes = new Set(["Broker requires TLS.", "Connection closed"])
const tlsFault = /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/

const reasonOf = (faults: ReadonlyArray<Fault>) => {
  const first = (wanted: (fault: Fault) => boolean) => faults.find(wanted)
  const host = /(?:ENOTFOUND|EAI_AGAIN) (\S+)/.exec(
    first(({ code }) => code === "ENOTFOUND" || code === "EAI_AGAIN")?.message ?? ""
  )?.[1]
  if (host !== undefined) return reasons.unknownHost(host)
  const refused = /ECONNREFUSED (\S+)/.exec(first(({ code }) => code === "ECONNREFUSED")?.message ?? "")?.[1]
  if (refused !== undefined) return reasons.unanswered(refused, "connection refused")
  const tls = first(({ code }) => tlsFault.test(code ?? ""))
  if (tls !== undefined) return reasons.tls(opensslOf(tls.message) ?? tls.message.replace(/\.$/, ""))
  const isClosed = ({ code, message }: Fault) =>
    code === "ECONNRESET" || closes.has(message) || message.startsWith("TLS handshake failed")
  return first(isClosed) === undefined ? undefined : reasons.closed()
}

export const failureOf = (cause: unknown, brokers: string, topic: string) => {
  const faults = faultsOf(cause)
  const isUnauthenticated = faults.some(({ code }) => code === "PLT_KFK_AUTHENTICATION")
  const answer = faults.find(({ answered }) => answered !== undefined)
  if (answer?.answered !== undefined && !isUnauthenticated) {
    const reason = because(lasting(answer.answered, topic) ?? `Kafka reports: ${answer.message.replace(/\.$/, "")}`)
    return new KafkaFailure({ reason, code: answer.answered, cause })
  }
  const reason = isUnauthenticated ? reasons.unauthenticated() : (reasonOf(faults) ?? reasons.silent(brokers))
  return new KafkaFailure({ reason, code: codes.transport, cause })
}
