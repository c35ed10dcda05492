/** Failures of the Kafka clients. */
import { Predicate, Schema } from "effect"
import { LogUnavailable } from "../../../services/EventLog.ts"
import { codeOf } from "./client.ts"

/** The broker closed a new connection at once. listener.ts replaces it with the actual reason. */
class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {}) {
  override get message() {
    return "the broker closes the connection at once"
  }
}

/** Anything else: the message is the cause and the fix, as the end of a sentence. */
class CallFailed extends Schema.TaggedError<CallFailed>()("CallFailed", { message: Schema.String }) {}

/** Why a call failed; its message is the end of a sentence. */
export type Reason = ConnectionClosed | CallFailed

/** A call to Kafka failed. */
export class KafkaFailure extends Schema.TaggedError<KafkaFailure>()("KafkaFailure", {
  reason: Schema.Union([ConnectionClosed, CallFailed]),
  /** The client's or the broker's code. */
  code: Schema.optionalKey(Schema.Int),
  cause: Schema.Defect()
}) {
  override get message() {
    return `Kafka cannot be used: ${this.reason.message}.`
  }
}

/** A reason from its text, the end of a sentence. */
export const because = (message: string): Reason => new CallFailed({ message })

/** Error codes that Floe acts on: negative ones of librdkafka, the others of the broker. */
export const codes = {
  fatal: -150,
  queueFull: -184,
  timedOut: -185,
  transport: -195,
  allBrokersDown: -187,
  authentication: -169,
  offsetReset: -140,
  unknownPartition: -190,
  noSuchEntry: -156,
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

/** Why a connection failed, in the same words for both clients. */
export const reasons = {
  unknownHost: (host: string) => because(`the host of ${host} is unknown; ${check}`),
  unanswered: (address: string, detail: string) => because(`no broker answers at ${address} (${detail}); ${check}`),
  silent: (brokers: string) => because(`no broker of ${brokers} answers in time; ${check}`),
  unauthenticated: () =>
    because(
      "the broker rejected the user, the password or the mechanism; check FLOE_KAFKA_USER, FLOE_KAFKA_PASSWORD and FLOE_KAFKA_SASL_MECHANISM"
    ),
  tls: (detail: string | undefined) =>
    because(
      `the TLS connection to the broker failed${detail === undefined ? "" : ` (${detail})`}; check FLOE_KAFKA_SECURITY and FLOE_KAFKA_CA_FILE`
    ),
  wantsTls: (protocol: string) => because(`the broker requires TLS; set FLOE_KAFKA_SECURITY to ${protocol}`),
  wantsNoTls: (protocol: string) => because(`the broker does not use TLS; set FLOE_KAFKA_SECURITY to ${protocol}`),
  wantsUser: () =>
    because(
      "the broker requires a user; set FLOE_KAFKA_SECURITY to sasl_plaintext, and FLOE_KAFKA_USER and FLOE_KAFKA_PASSWORD"
    ),
  wantsNoUser: () => because("the broker does not use SASL; set FLOE_KAFKA_SECURITY to plaintext or ssl"),
  notUp: (brokers: string) =>
    because(
      `${brokers} closes each connection at once: the broker is down or still starting (it may be waiting for ZooKeeper), or this is not a broker; check FLOE_KAFKA_BROKERS`
    ),
  closed: () => new ConnectionClosed()
}

/** Milliseconds: a broker with other security settings closes a new connection within this time. */
const newConnection = 1_000

/** The reason in an error line of OpenSSL. */
export const opensslOf = (text: string) => /SSL routines:[^:]*:([^:(]+)/.exec(text)?.[1]?.trim()

/** Why a connection failed, from a line of the client's log; undefined if the line does not show it. */
export const reasonOfLine = (line: string): Reason | undefined => {
  const text = line.replace(/^\[thrd:[^\]]*\]: \S+: /, "")
  const host = /^Failed to resolve '([^']+)'/.exec(text)?.[1]
  if (host !== undefined) return reasons.unknownHost(host)
  const refused = /^Connect to \S+#(\S+) failed: ([^(]+)/.exec(text)
  if (refused !== null) return reasons.unanswered(refused[1] ?? "", (refused[2] ?? "").trim().toLowerCase())
  if (/^SSL handshake failed: Disconnected|^Disconnected: SSL connection closed/.test(text)) return reasons.closed()
  // A broker that hangs names no mechanisms either.
  if (/^SASL .*: Local: Timed out/.test(text)) return undefined
  if (/^SASL .*broker's supported mechanisms: *(\(|$)/.test(text)) return reasons.wantsNoUser()
  if (text.startsWith("SASL ")) return reasons.unauthenticated()
  if (/^SSL |SSL routines|certificate/.test(text)) {
    return reasons.tls(opensslOf(text))
  }
  const closed = /^Disconnected: .*\(after (\d+)ms in state (APIVERSION_QUERY|UP)/.exec(text)
  return closed !== null && Number(closed[1]) < newConnection ? reasons.closed() : undefined
}

export const missingTopic = (topic: string) =>
  `the topic ${topic} does not exist; if it never existed, create it with floe topics create, or set FLOE_TOPIC; if it was deleted, restore Kafka's volumes from a copy, or run floe doctor to see how to continue without them`

/** Of a stream other than weather, and its dead letters. */
export const missingStreamTopic = (topic: string) =>
  `the topic ${topic} does not exist; run floe streams apply, which creates the topics of a stream, or restore Kafka's volumes from a copy if it was deleted, as its events are gone`

/** A broker that has just started reports each of its topics as missing for a moment. */
export const startingBroker = "the broker is starting and does not know its topics yet; wait"

const ofMissing = new Set<number | undefined>([codes.topicMissing, codes.unknownTopic, codes.unknownPartition])

/** Whether the broker reports a missing topic. */
export const isMissing = (code: number | undefined) => ofMissing.has(code)

/** The reason and fix of an error that a retry does not change. */
export const lasting = (code: number | undefined, topic: string) => {
  switch (code) {
    case codes.topicMissing:
    case codes.unknownTopic:
    case codes.unknownPartition:
      return missingTopic(topic)
    case codes.topicInvalid:
      return `"${topic}" is not a valid topic name; set FLOE_TOPIC to letters, digits, ".", "_" and "-"`
    case codes.replicationTooLarge:
      return "FLOE_REPLICATION is larger than the number of brokers; set it to that number or less"
    case codes.topicForbidden:
      return `the broker denies this user access to the topic ${topic}; grant FLOE_KAFKA_USER the right to describe it and its settings, to read it and to write it`
    default:
      return undefined
  }
}

const messageOf = (cause: unknown) =>
  Predicate.hasProperty(cause, "message") && typeof cause.message === "string" ? cause.message : String(cause)

/** `seen` is the last connection error, which explains a timeout. */
export const failureOf = (cause: unknown, brokers: string, topic: string, seen: Reason | undefined) => {
  if (cause instanceof KafkaFailure) return cause
  const code = codeOf(cause)
  const reason =
    code === codes.messageTimedOut
      ? (seen ?? because(`the brokers (${brokers}) did not acknowledge it in time`))
      : away.has(code)
        ? (seen ?? reasons.silent(brokers))
        : because(lasting(code, topic) ?? `Kafka reports: ${messageOf(cause).replace(/\.$/, "")}`)
  return new KafkaFailure({ reason, cause, ...(code === undefined ? {} : { code }) })
}

export const unavailable = (operation: string) => (failure: KafkaFailure) =>
  LogUnavailable.because(operation, failure.reason.message, failure)
