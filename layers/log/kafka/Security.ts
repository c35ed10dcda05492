/** Checks the security settings and turns them into the native client's configuration. */
import { accessSync, constants } from "node:fs"
import type { ClientConfig } from "@confluentinc/kafka-javascript"
import { type Config, Option, Redacted, Result, Schema } from "effect"
import type { kafkaSecurity } from "../../../services/Settings.ts"

/** The Kafka settings contradict each other or name an unreadable file. */
export class KafkaSettingsWrong extends Schema.TaggedError<KafkaSettingsWrong>()("KafkaSettingsWrong", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export type Security = Config.Success<typeof kafkaSecurity>

const files = [
  ["authority", "FLOE_KAFKA_CA_FILE", "ssl.ca.location"],
  ["certificate", "FLOE_KAFKA_CERTIFICATE_FILE", "ssl.certificate.location"],
  ["key", "FLOE_KAFKA_KEY_FILE", "ssl.key.location"]
] as const

const named = (security: Security, setting: (typeof files)[number]) => {
  const [field, name, property] = setting
  return Option.match(security[field], { onNone: () => [], onSome: (path) => [{ name, property, path }] })
}

const contradiction = (security: Security, isReadable: (path: string) => boolean) => {
  const { protocol, user, password, certificate, key } = security
  const sasl = protocol.startsWith("sasl_")
  if (sasl && Option.isNone(user)) return `FLOE_KAFKA_SECURITY is ${protocol}, which needs FLOE_KAFKA_USER; set it.`
  if (sasl && Option.isNone(password)) {
    return `FLOE_KAFKA_SECURITY is ${protocol}, which needs FLOE_KAFKA_PASSWORD; set it.`
  }
  if (!sasl && (Option.isSome(user) || Option.isSome(password))) {
    return `FLOE_KAFKA_USER or FLOE_KAFKA_PASSWORD is set, and FLOE_KAFKA_SECURITY is ${protocol}; set it to sasl_ssl or sasl_plaintext.`
  }
  const given = files.flatMap((setting) => named(security, setting))
  const [first] = given
  if (first !== undefined && !protocol.endsWith("ssl")) {
    return `${first.name} is set, and FLOE_KAFKA_SECURITY is ${protocol}; set it to ssl or sasl_ssl.`
  }
  if (Option.isSome(certificate) !== Option.isSome(key)) {
    return "FLOE_KAFKA_CERTIFICATE_FILE and FLOE_KAFKA_KEY_FILE need each other; set both or none."
  }
  const unreadable = given.find(({ path }) => !isReadable(path))
  if (unreadable === undefined) return undefined
  return `${unreadable.name} is ${unreadable.path}, which cannot be read; set it to a PEM file that this user can read.`
}

export const isReadable = (path: string) => {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** The settings, if they are consistent. */
export const checked = (
  security: Security,
  isReadable: (path: string) => boolean
): Result.Result<Security, KafkaSettingsWrong> => {
  const reason = contradiction(security, isReadable)
  return reason === undefined ? Result.succeed(security) : Result.fail(new KafkaSettingsWrong({ reason }))
}

/** The client rejects the PEM files. */
export const notTaken = () =>
  new KafkaSettingsWrong({
    reason:
      "The Kafka client rejects the security settings; check that each configured file is a PEM file and that the key has no password."
  })

/** The native client's configuration, for checked settings. */
export const configOf = (brokers: string, security: Security): ClientConfig => {
  const config: Record<string, string> = { "bootstrap.servers": brokers, "security.protocol": security.protocol }
  if (security.protocol.startsWith("sasl_")) {
    config["sasl.mechanisms"] = security.mechanism
    config["sasl.username"] = Option.getOrElse(security.user, () => "")
    config["sasl.password"] = Option.match(security.password, { onNone: () => "", onSome: Redacted.value })
  }
  for (const { property, path } of files.flatMap((setting) => named(security, setting))) config[property] = path
  return config
}
