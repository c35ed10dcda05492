/** What the client for administration reports, in the words of the native one. */
import { Predicate } from "effect"
import { codes, KafkaFailure, lasting, opensslOf, said } from "./failures.ts"

interface Fault {
  readonly message: string
  /** Of Node or of the client: ECONNREFUSED, PLT_KFK_AUTHENTICATION. */
  readonly code: string | undefined
  /** The broker's own. */
  readonly answered: number | undefined
}

const faultOf = (error: Error): Fault => ({
  message: error.message,
  code: Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : undefined,
  answered: Predicate.hasProperty(error, "apiCode") && typeof error.apiCode === "number" ? error.apiCode : undefined
})

/** An error with all that caused it, the outermost first. */
const faultsOf = (error: unknown): ReadonlyArray<Fault> => {
  if (!(error instanceof Error)) return []
  const parts: ReadonlyArray<unknown> = error instanceof AggregateError ? error.errors : []
  return [faultOf(error), ...faultsOf(error.cause), ...parts.flatMap(faultsOf)]
}

/** What the client says of a broker that wants TLS, or that has gone. */
const closes = new Set(["Broker requires TLS.", "Connection closed"])
const tlsFault = /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/

/** Why no connection stands; undefined if the faults do not tell. */
const reasonOf = (faults: ReadonlyArray<Fault>) => {
  const first = (wanted: (fault: Fault) => boolean) => faults.find(wanted)
  const host = /(?:ENOTFOUND|EAI_AGAIN) (\S+)/.exec(
    first(({ code }) => code === "ENOTFOUND" || code === "EAI_AGAIN")?.message ?? ""
  )?.[1]
  if (host !== undefined) return said.unknownHost(host)
  const refused = /ECONNREFUSED (\S+)/.exec(first(({ code }) => code === "ECONNREFUSED")?.message ?? "")?.[1]
  if (refused !== undefined) return said.unanswered(refused, "connection refused")
  const tls = first(({ code }) => tlsFault.test(code ?? ""))
  if (tls !== undefined) return said.tls(opensslOf(tls.message) ?? tls.message.replace(/\.$/, ""))
  const isClosed = ({ code, message }: Fault) =>
    code === "ECONNRESET" || closes.has(message) || message.startsWith("TLS handshake failed")
  return first(isClosed) === undefined ? undefined : said.closed
}

export const failureOf = (cause: unknown, brokers: string, topic: string) => {
  const faults = faultsOf(cause)
  const isRefused = faults.some(({ code }) => code === "PLT_KFK_AUTHENTICATION")
  const answer = faults.find(({ answered }) => answered !== undefined)
  if (answer?.answered !== undefined && !isRefused) {
    const reason = lasting(answer.answered, topic) ?? `Kafka says: ${answer.message.replace(/\.$/, "")}`
    return new KafkaFailure({ reason, code: answer.answered, cause })
  }
  const reason = isRefused ? said.refused : (reasonOf(faults) ?? said.silent(brokers))
  return new KafkaFailure({ reason, code: codes.transport, cause })
}
