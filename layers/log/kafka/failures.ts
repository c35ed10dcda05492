/** What the client reports, as the end of a sentence for a person. */
import { Predicate, Schema } from "effect"
import { LogUnavailable } from "../../../services/EventLog.ts"
import { codeOf } from "./client.ts"

/** A call to Kafka failed. */
export class KafkaFailure extends Schema.TaggedError<KafkaFailure>()("KafkaFailure", {
  /** What is wrong, and what to do, as the end of a sentence. */
  reason: Schema.String,
  /** The client's or the broker's code. */
  code: Schema.optionalKey(Schema.Int),
  cause: Schema.Defect()
}) {
  override get message() {
    return `Kafka cannot be used: ${this.reason}.`
  }
}

/** The codes of the client that are acted on; negative ones are its own, the others the broker's. */
export const codes = {
  fatal: -150,
  queueFull: -184,
  timedOut: -185,
  transport: -195,
  allBrokersDown: -187,
  authentication: -169,
  offsetReset: -140,
  unknownPartition: -190,
  unknownTopic: -188,
  messageTimedOut: -192,
  offsetOutOfRange: 1,
  topicMissing: 3,
  recordTooLarge: 10,
  topicInvalid: 17,
  unknownMember: 25,
  topicForbidden: 29,
  topicExists: 36,
  replicationTooLarge: 38,
  groupInUse: 68,
  groupMissing: 69
} as const

const away = new Set<number | undefined>([codes.timedOut, codes.transport, codes.allBrokersDown])

export const isAway = ({ code }: KafkaFailure) => away.has(code)

const check = "check FLOE_KAFKA_BROKERS and that the broker runs"

/** Why no connection stands, in the same words for both clients. */
export const said = {
  unknownHost: (host: string) => `the host of ${host} is not known; ${check}`,
  unanswered: (address: string, detail: string) => `no broker answers at ${address} (${detail}); ${check}`,
  silent: (brokers: string) => `no broker of ${brokers} answers in time; ${check}`,
  refused:
    "the broker refuses the user, the password or the mechanism; check FLOE_KAFKA_USER, FLOE_KAFKA_PASSWORD and FLOE_KAFKA_SASL_MECHANISM",
  tls: (detail: string | undefined) =>
    `the TLS connection to the broker fails${detail === undefined ? "" : ` (${detail})`}; check FLOE_KAFKA_SECURITY and FLOE_KAFKA_CA_FILE`,
  wantsTls: (protocol: string) => `the broker wants TLS; set FLOE_KAFKA_SECURITY to ${protocol}`,
  wantsNoTls: (protocol: string) => `the broker has no TLS; set FLOE_KAFKA_SECURITY to ${protocol}`,
  wantsUser:
    "the broker wants a user; set FLOE_KAFKA_SECURITY to sasl_plaintext, and FLOE_KAFKA_USER and FLOE_KAFKA_PASSWORD",
  wantsNoUser: "the broker wants no user; set FLOE_KAFKA_SECURITY to plaintext or ssl",
  notUp: (brokers: string) =>
    `${brokers} closes each connection at once: the broker is down or only starting (ZooKeeper may be what it waits for), or this is no broker; check FLOE_KAFKA_BROKERS`,
  /** Why is for `Listener` to find out. */
  closed: "the broker closes the connection at once"
} as const

/** A broker that wants other security closes a connection that has just been made. */
const justMade = 1_000

/** What is wrong, of a line of OpenSSL's. */
export const opensslOf = (text: string) => /SSL routines:[^:]*:([^:(]+)/.exec(text)?.[1]?.trim()

/** What a line of the client's log says of a connection that failed; undefined if it says nothing that helps. */
export const reasonOfLine = (line: string): string | undefined => {
  const text = line.replace(/^\[thrd:[^\]]*\]: \S+: /, "")
  const host = /^Failed to resolve '([^']+)'/.exec(text)?.[1]
  if (host !== undefined) return said.unknownHost(host)
  const refused = /^Connect to \S+#(\S+) failed: ([^(]+)/.exec(text)
  if (refused !== null) return said.unanswered(refused[1] ?? "", (refused[2] ?? "").trim().toLowerCase())
  if (/^SSL handshake failed: Disconnected|^Disconnected: SSL connection closed/.test(text)) return said.closed
  if (/^SASL .*broker's supported mechanisms: *(\(|$)/.test(text)) return said.wantsNoUser
  if (text.startsWith("SASL ")) return said.refused
  if (/^SSL |SSL routines|certificate/.test(text)) {
    return said.tls(opensslOf(text))
  }
  const closed = /^Disconnected: .*\(after (\d+)ms in state (APIVERSION_QUERY|UP)/.exec(text)
  return closed !== null && Number(closed[1]) < justMade ? said.closed : undefined
}

export const missingTopic = (topic: string) =>
  `the topic ${topic} does not exist; if it never did, make it with floe topics create, or set FLOE_TOPIC; if it was deleted, put Kafka's volumes back from a copy, or floe doctor says how to go on without them`

/** A broker that has just come up knows none of its topics for a moment, and says of each that there is no such topic. */
export const startingBroker = "the broker is starting and does not know its topics yet; wait"

const ofMissing = new Set<number | undefined>([codes.topicMissing, codes.unknownTopic, codes.unknownPartition])

/** The broker says that there is no such topic. */
export const isMissing = (code: number | undefined) => ofMissing.has(code)

/** What to do about an answer of the broker that a repeat does not change. */
export const lasting = (code: number | undefined, topic: string) => {
  switch (code) {
    case codes.topicMissing:
    case codes.unknownTopic:
    case codes.unknownPartition:
      return missingTopic(topic)
    case codes.topicInvalid:
      return `Kafka allows no topic of the name "${topic}"; set FLOE_TOPIC to letters, digits, ".", "_" and "-"`
    case codes.replicationTooLarge:
      return "there are fewer brokers than the copies that FLOE_REPLICATION wants; set it to their number or less"
    case codes.topicForbidden:
      return `the broker refuses this user the topic ${topic}; grant FLOE_KAFKA_USER to describe it and its settings, to read and to write it`
    default:
      return undefined
  }
}

const messageOf = (cause: unknown) =>
  Predicate.hasProperty(cause, "message") && typeof cause.message === "string" ? cause.message : String(cause)

/** `seen` is what the connections last said, if that is why nobody answers. */
export const failureOf = (cause: unknown, brokers: string, topic: string, seen: string | undefined) => {
  if (cause instanceof KafkaFailure) return cause
  const code = codeOf(cause)
  const reason =
    code === codes.messageTimedOut
      ? (seen ?? `the brokers (${brokers}) did not acknowledge it in time`)
      : away.has(code)
        ? (seen ?? said.silent(brokers))
        : (lasting(code, topic) ?? `Kafka says: ${messageOf(cause).replace(/\.$/, "")}`)
  return new KafkaFailure({ reason, cause, ...(code === undefined ? {} : { code }) })
}

export const unavailable = (operation: string) => (failure: KafkaFailure) =>
  new LogUnavailable({ operation, reason: failure.reason, cause: failure })
