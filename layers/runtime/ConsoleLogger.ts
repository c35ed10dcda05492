import { stripVTControlCharacters, styleText } from "node:util"
import { Cause, Effect, Inspectable, Layer, Logger, References } from "effect"
import { logFormat } from "../../services/Settings.ts"

type Style = Parameters<typeof styleText>[0]

const two = (n: number) => String(n).padStart(2, "0")
const timeOf = (date: Date) => [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")

const harmless = (text: string) => stripVTControlCharacters(text).replace(/\p{Cc}+/gu, " ")
const textOf = (part: unknown) => harmless(typeof part === "string" ? part : Inspectable.toStringUnknown(part, 0))

const levels: Record<string, readonly [label: string, style: Style]> = {
  Fatal: ["ERROR ", "red"],
  Error: ["ERROR ", "red"],
  Warn: ["WARN ", "yellow"],
  Debug: ["DEBUG ", "gray"],
  Trace: ["TRACE ", "gray"]
}

/** `12:00:05 message key=value`, with the cause of an error below it. */
export const human = (colours: boolean) =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const paint = (style: Style, text: string) => (colours ? styleText(style, text, { validateStream: false }) : text)
    const [label, style] = levels[logLevel] ?? ["", "reset"]
    const text = (Array.isArray(message) ? message : [message]).map(textOf).join(" ")
    const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
      .map(([key, value]) => ` ${key}=${textOf(value)}`)
      .join("")
    const below = cause.reasons.length === 0 ? "" : `\n${Cause.pretty(cause)}`
    return `${paint("gray", timeOf(date))} ${label && paint(style, label)}${text}${paint("gray", annotations)}${below}`
  })

/** Human-readable lines, coloured on a terminal, or JSON lines (FLOE_LOG_FORMAT). */
export const layer = Layer.unwrap(
  Effect.map(logFormat, (format) =>
    Logger.layer([
      format === "json"
        ? Logger.consoleJson
        : Logger.withConsoleLog(human(process.stdout.isTTY && process.stdout.hasColors()))
    ])
  )
)
