/**
 * The messages of a stream of the user's own. The value is the event in canonical form, the message key the value of the
 * stream's key column. One header has what else there is to say: `v2`, the version of the definition, and for a request with
 * an Idempotency-Key `v2 0/3 digest key`. A message of version 1 without such a key has none.
 */
import type { Header, Message } from "@confluentinc/kafka-javascript"
import type { IdempotencyKey } from "../../../services/EventLog.ts"
import type { KeyedRecord } from "./records.ts"

const header = "floe-request"
/** In the dead-letter topic, of an event that the server rejected: `0/3 digest key`. */
const rejectedHeader = "floe-rejected"
const reasonHeader = "floe-reason"

/** In bytes; a broker takes 1 MiB with the event, which may have as many. */
const maxReason = 4_096

const place = ({ digest, key }: IdempotencyKey, index: number, count: number) => `${index}/${count} ${digest} ${key}`

export const headersOf = (
  version: number,
  idempotency: IdempotencyKey | undefined,
  index: number,
  count: number
): ReadonlyArray<Header> | undefined => {
  if (idempotency !== undefined) return [{ [header]: `v${version} ${place(idempotency, index, count)}` }]
  return version === 1 ? undefined : [{ [header]: `v${version}` }]
}

const cut = (reason: string) => {
  if (Buffer.byteLength(reason) <= maxReason) return reason
  return `${Buffer.from(reason)
    .subarray(0, maxReason)
    .toString()
    .replace(/\ufffd+$/, "")} …`
}

export const rejectedHeaders = (
  reason: string,
  idempotency: IdempotencyKey | undefined,
  index: number,
  count: number
): ReadonlyArray<Header> => [
  { [reasonHeader]: cut(reason) },
  ...(idempotency === undefined ? [] : [{ [rejectedHeader]: place(idempotency, index, count) }])
]

const textOf = ({ headers }: Message, name: string) => headers?.find((one) => name in one)?.[name]?.toString()

const placed = /^(\d{1,9})\/(\d{1,9}) (\S+) (.+)$/s

const keyedOf = (text: string | undefined): KeyedRecord | undefined => {
  const [, index, count, digest, key] = placed.exec(text ?? "") ?? []
  if (digest === undefined || key === undefined || Number(index) >= Number(count)) return undefined
  return { key, digest, index: Number(index), count: Number(count) }
}

const versioned = /^v(\d{1,9})(?: (.*))?$/s

/** Undefined for a message without an Idempotency-Key. */
export const keyOf = (message: Message) => keyedOf(versioned.exec(textOf(message, header) ?? "")?.[2])

/** The version of the definition that the event was checked against; undefined if the message does not say it. */
export const versionOf = (message: Message) => {
  const [, version] = versioned.exec(textOf(message, header) ?? "") ?? []
  return version === undefined ? undefined : Number(version)
}

export const rejectedKeyOf = (message: Message) => keyedOf(textOf(message, rejectedHeader))
export const isRejectionHeader = (name: string) => name === reasonHeader || name === rejectedHeader
/** Why the server rejected it; undefined for other dead letters. */
export const rejectionOf = (texts: ReadonlyMap<string, string>) => texts.get(reasonHeader)
