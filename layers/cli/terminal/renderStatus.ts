/** The status as text. */
import type { Component } from "../../../services/Components.ts"
import { plural } from "../../runtime/plural.ts"
import type { ProcessorStatus, Status, StreamStatus } from "./collectStatus.ts"
import type { Colorize } from "./colorize.ts"
import { reasonOf } from "./errorReason.ts"
import { size } from "./listing.ts"
import { counted } from "./Progress.ts"
import { wrapText } from "./wrapText.ts"

const span = (seconds: number) => {
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}

const colours = { up: "green", starting: "yellow", paused: "yellow", down: "red" } as const

/** Without the very first line, which the component's detail already has. */
const tracesOf = ({ connector }: Component, width: number) =>
  [connector?.connector, ...(connector?.tasks ?? [])]
    .flatMap((one) => reasonOf(one?.trace ?? null))
    .slice(1)
    .map((line) => line.slice(0, width))

const linesOf = (component: Component, column: number, paint: Colorize, width: number) => {
  const { name, state, millis, version, detail } = component
  const left = `  ${name.padEnd(column)} `
  const took = `${millis.toFixed(0).padStart(6)} ms`
  const right = `${took}  ${(version ?? "").padEnd(15)} ${detail}`
  const fits = left.length + 8 + right.length <= width
  const painted = paint(colours[state], state.padEnd(8))
  if (state === "down" && !fits) {
    const indent = " ".repeat(4)
    return [`${left}${painted}${took}`, indent + wrapText(detail, width, indent), ...tracesOf(component, width)]
  }
  const shown = fits ? right : right.slice(0, Math.max(40, width - left.length - 8))
  return [`${left}${painted}${shown.trimEnd()}`, ...(state === "down" ? tracesOf(component, width) : [])]
}

const unknown = "unknown"

const inPartitions = (count: number) => (count > 1 ? ` in ${count} partitions` : "")

const lagOf = ({ events, isAtMost = false, seconds }: Status["lag"]) => {
  if (events === null) return unknown
  if (events === 0) return "none"
  return `${isAtMost ? "at most " : ""}${plural(events, "event")}${seconds === null ? "" : `, the oldest for ${span(seconds)}`}`
}

/** The position comes from the sink's control topic or, in the embedded profile, from the snapshot. */
const committedOf = ({ profile, table, unread }: Status) => {
  const source = profile === "distributed" ? " from the control topic" : ""
  if (unread.table !== null) return unknown
  if (table === null) return "nothing yet"
  if (table.committed !== null) return `${counted(table.committed)}${source === "" ? "" : `,${source}`}`
  const rows = table.rows === null ? "" : `${plural(table.rows, "row")}, `
  return `${unknown}${source}: ${rows}newest snapshot ${span(table.committedSecondsAgo)} old`
}

const factsOf = (status: Status): ReadonlyArray<readonly [name: string, value: string]> => {
  const { log, table, lag, unread } = status
  const none = unread.table === null ? "none" : unknown
  const bytes = table?.bytes == null ? "" : ` (${size(table.bytes)})`
  const number = (count: number | null | undefined) => (count == null ? unknown : counted(count))
  return [
    ["log end", log === null ? unknown : `${counted(log.end)}${inPartitions(log.partitions.length)}`],
    ["committed", committedOf(status)],
    ["lag", lagOf(lag)],
    ["last commit", table === null ? none : `${span(table.committedSecondsAgo)} ago, snapshot ${table.snapshot}`],
    ["rows", table === null ? none : number(table.rows)],
    ["files", table === null ? none : `${number(table.files)}${bytes}`]
  ]
}

const streamLine =
  (width: number) =>
  ({ failed, lag, log, name, paused, table, unmaintained, unread }: StreamStatus) => {
    const failure = failed ?? unread.log ?? unread.table
    if (failure !== null) return `  ${name.padEnd(width)} ${failure}`
    const rows = table?.rows == null ? [] : [plural(table.rows, "row")]
    const facts = [`log end ${counted(log?.end ?? 0)}`, `lag ${lagOf(lag)}`, ...rows, ...(paused ? ["paused"] : [])]
    return `  ${name.padEnd(width)} ${facts.join(", ")}${unmaintained === null ? "" : `. ${unmaintained}`}`
  }

const processorLine =
  (width: number) =>
  ({ lag, name, reason, state }: ProcessorStatus) => {
    const facts = reason === null ? `${state}, lag ${lag === 0 ? "none" : plural(lag, "event")}` : `${state}: ${reason}`
    return `  ${name.padEnd(width)} processor ${facts}`
  }

/** Of the column of names. */
const widthOf = (named: ReadonlyArray<{ readonly name: string }>) =>
  Math.max(12, ...named.map(({ name }) => name.length))

/** Lines are at most `width` columns, except for text that can be neither cut nor wrapped. */
export const renderStatus = (status: Status, paint: Colorize, width: number) => {
  const { profile, at, components, processors = [], streams = [] } = status
  const column = Math.max(8, ...components.map(({ name }) => name.length))
  return [
    `${paint("bold", `Floe, ${profile} profile`)}  ${paint("gray", at)}`,
    "",
    ...components.flatMap((one) => linesOf(one, column, paint, width)),
    "",
    ...factsOf(status).map(([name, value]) => `  ${name.padEnd(12)} ${value}`),
    ...(streams.length === 0 ? [] : ["", ...streams.map(streamLine(widthOf(streams)))]),
    ...(processors.length === 0 ? [] : ["", ...processors.map(processorLine(widthOf(processors)))]),
    ""
  ].join("\n")
}
