/** The options of the admin client, from the settings. */
import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import type { AdminOptions } from "@platformatic/kafka"
import { Option, Redacted } from "effect"
import type { Security } from "./Security.ts"

const timeouts = { connectTimeout: 2_000, requestTimeout: 3_000 }
/** Retries of temporary errors, for example of a starting broker; the client nests them. */
const retries = { retries: 2, retryDelay: 250 }

const isAddress = (broker: string) => isIP(broker.replace(/:\d*$/, "").replace(/^\[|\]$/g, "")) !== 0

/** For checked settings; `read` returns the content of a PEM file. */
export const optionsOf = (
  brokers: string,
  { protocol, mechanism, user, password, authority, certificate, key }: Security,
  read: (path: string) => Buffer = readFileSync
): AdminOptions => {
  const bootstrapBrokers = brokers.split(",").map((broker) => broker.trim())
  const content = (name: "ca" | "cert" | "key", file: Option.Option<string>) =>
    Option.match(file, { onNone: () => ({}), onSome: (path) => ({ [name]: read(path) }) })
  const tls = {
    tls: { ...content("ca", authority), ...content("cert", certificate), ...content("key", key) },
    // SNI allows host names only, not IP addresses.
    tlsServerName: !bootstrapBrokers.some(isAddress)
  }
  const sasl = {
    mechanism,
    username: Option.getOrElse(user, () => ""),
    password: Option.match(password, { onNone: () => "", onSome: Redacted.value })
  }
  return {
    clientId: "floe",
    bootstrapBrokers,
    ...timeouts,
    ...retries,
    ...(protocol.endsWith("ssl") ? tls : {}),
    ...(protocol.startsWith("sasl_") ? { sasl } : {})
  }
}
