/** `--as-of`: a snapshot by id or by time. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import { AsOf } from "../../../services/TableReader.ts"

const id = /^\d{1,19}$/
const date = String.raw`\d{4}-\d\d-\d\d`
const time = new RegExp(`^(${date})(?:[T ](\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d{1,3})?)?)(Z|[+-]\\d\\d:?\\d\\d)?)?$`)

/** Whether a day (`YYYY-MM-DD`) exists: `Date.parse` accepts 30 February as 2 March. */
export const isDay = (day: string) => {
  const millis = Date.parse(`${day}T00:00Z`)
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(day)
}

/** Digits are a snapshot id; anything else is a time, in UTC unless it has a zone. */
export const parse = (text: string): Option.Option<AsOf> => {
  if (id.test(text)) return Option.some(AsOf.make({ _tag: "Snapshot", id: text }))
  const [, day, clock = "00:00", zone = "Z"] = time.exec(text) ?? []
  // `Date.parse` accepts 24:00.
  if (day === undefined || !isDay(day) || clock.startsWith("24")) return Option.none()
  const millis = Date.parse(`${day}T${clock}${zone}`)
  return Number.isNaN(millis) ? Option.none() : Option.some(AsOf.make({ _tag: "Time", millis }))
}

/** Quotes invalid input for an error message, with the reason if it looks like a time. */
export const describeTime = (text: string) => {
  const [, day] = time.exec(text) ?? []
  if (day === undefined) return text
  return isDay(day) ? `${text}, a time of day that does not exist` : `${text}, a day that does not exist`
}

export const asOfFlag = Flag.String("as-of").pipe(
  Flag.withDescription("Read an older snapshot, by its id or by a time (2026-01-08T14:30, in UTC)"),
  Flag.withMetavar("snapshot or time"),
  Flag.filterMap(parse, (text) => `Expected a snapshot id or a time (2026-01-08T14:30), but got ${describeTime(text)}`),
  Flag.optional
)
