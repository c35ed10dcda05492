/** Dead letters for people, without control characters, and for programs. */
import { Result } from "effect"
import type { DeadLetter, Rejection } from "../../../services/DeadLetters.ts"
import { draftOf, formatPosition, textOf } from "../../ingest/deadletters/Correction.ts"
import { eventOf } from "../../ingest/deadletters/EventCorrection.ts"
import { cell } from "./formatTable.ts"
import { text, time } from "./listing.ts"
import { counted } from "./Progress.ts"

const maxPreview = 200

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const preview = (value: Uint8Array | null, room: number) => {
  if (value === null) return null
  const start = textOf(value)?.slice(0, room + 1) ?? `0x${hexOf(value.subarray(0, room))}`
  return start.length > room ? `${start.slice(0, room - 1)}…` : start
}

/** Width of the other columns when nothing is cut. */
const otherColumns = 66
const narrowest = 8

export const columnsOf = (all: boolean, terminal: number | undefined) => {
  const room = terminal === undefined ? maxPreview : Math.max(narrowest, terminal - otherColumns)
  return [
    text<DeadLetter>("dlq", ({ position }) => formatPosition(position)),
    all
      ? text<DeadLetter>("sent again", ({ redrives }) => redrives.at(-1) ?? "no")
      : text<DeadLetter>("logged (UTC)", ({ loggedAt }) => time(loggedAt).slice(0, 16).replace("T", " ")),
    text<DeadLetter>("log", ({ source }) => source?.slice(source.indexOf("/") + 1) ?? null),
    text<DeadLetter>("reason", ({ reason }) => reason),
    text<DeadLetter>("value", ({ value }) => preview(value, room))
  ]
}

/** Text, or hexadecimal for other bytes; never control characters. */
const shown = (bytes: Uint8Array) => {
  const text = textOf(bytes)
  if (text === null) return `0x${hexOf(bytes)}`
  return text.split("\n").map(cell).join("\n")
}

const traceOf = (trace: string) =>
  trace
    .trimEnd()
    .split("\n")
    .map((line) => cell(line.trimEnd().replaceAll("\t", "  ")))
    .join("\n")

/** The last cause is the most specific; a failed transform has only a message. */
const detailOf = ({ message, trace }: Rejection) =>
  /.*\nCaused by: [\w.$]+: ([^\n]*)/s.exec(trace ?? "")?.[1] ?? message ?? "none"

export const entriesOf = (letter: DeadLetter, topic: string): ReadonlyArray<readonly [string, string]> => {
  const { headers, key, loggedAt, position, reason, rejection, redrives, source, value } = letter
  const { by, connector, stage, task, trace } = rejection
  return [
    ["dead letter", `${topic}/${formatPosition(position)}`],
    ["in the log", `${source === null ? "unknown" : cell(source)}, ${time(loggedAt)}`],
    ["rejected by", cell([connector ?? "unknown", task && `task ${task}`, stage, by].filter(Boolean).join(", "))],
    ["reason", cell(reason)],
    ["details", cell(detailOf(rejection))],
    ["sent again", redrives.length === 0 ? "no" : redrives.map(cell).join(", ")],
    ["key", key === null ? "none" : shown(key)],
    ...headers.map(({ name, value }) => ["header", `${cell(name)}: ${shown(value)}`] as const),
    ["value", value === null ? "none (null)" : `${counted(value.length)} bytes`],
    ...(value === null ? [] : [["", shown(value)] as const]),
    ["trace", trace === null ? "none" : traceOf(trace)]
  ]
}

/** The same for an event that the server did not accept. */
export const eventEntriesOf = (letter: DeadLetter, topic: string): ReadonlyArray<readonly [string, string]> => {
  const { loggedAt, position, reason, redrives, value } = letter
  return [
    ["dead letter", `${topic}/${formatPosition(position)}`],
    ["received", time(loggedAt)],
    ["reason", cell(reason)],
    ["sent again", redrives.length === 0 ? "no" : redrives.map(cell).join(", ")],
    ["value", `${counted(value?.length ?? 0)} bytes`],
    ["", value === null ? "" : shown(value)]
  ]
}

export const eventColumnsOf = (all: boolean, terminal: number | undefined) => {
  const room = terminal === undefined ? maxPreview : Math.max(narrowest, terminal - otherColumns)
  return [
    text<DeadLetter>("dlq", ({ position }) => formatPosition(position)),
    all
      ? text<DeadLetter>("sent again", ({ redrives }) => redrives.at(-1) ?? "no")
      : text<DeadLetter>("received (UTC)", ({ loggedAt }) => time(loggedAt).slice(0, 16).replace("T", " ")),
    text<DeadLetter>("reason", ({ reason }) => reason),
    text<DeadLetter>("value", ({ value }) => preview(value, room))
  ]
}

/** Position and event come first, for editing; the event is null if the value is none. Its numbers keep their digits. */
export const eventJsonLine = ({ loggedAt, position, reason, redrives, value }: DeadLetter) => {
  const event = Result.getOrElse(eventOf(value), () => "null")
  const rest = JSON.stringify({ reason, receivedAt: time(loggedAt), ...readable("value", value), redrives })
  return `{"position":"${formatPosition(position)}","event":${event},${rest.slice(1)}\n`
}

const readable = (name: string, bytes: Uint8Array | null) => {
  const decoded = bytes === null ? null : textOf(bytes)
  const isText = bytes === null || decoded !== null
  return { [name]: decoded, ...(isText ? {} : { [`${name}Base64`]: Buffer.from(bytes).toString("base64") }) }
}

/** Position, city and temperature come first, for editing. */
export const jsonLine = (letter: DeadLetter) => {
  const { headers, key, loggedAt, position, reason, rejection, redrives, source, value } = letter
  const object = {
    position: formatPosition(position),
    ...draftOf(value),
    reason,
    source,
    loggedAt: time(loggedAt),
    ...readable("value", value),
    ...readable("key", key),
    headers: headers.map(({ name, value }) => ({ name, ...readable("value", value) })),
    ...rejection,
    redrives
  }
  return `${JSON.stringify(object)}\n`
}
