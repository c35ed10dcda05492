/** `--as-of`: a snapshot by its id or by a time. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import { AsOf } from "../../../services/TableReader.ts"

const id = /^\d{1,19}$/
const date = String.raw`\d{4}-\d\d-\d\d`
const time = new RegExp(`^(${date})(?:[T ](\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d{1,3})?)?)(Z|[+-]\\d\\d:?\\d\\d)?)?$`)

/** Whether the calendar has this day, given as `YYYY-MM-DD`: `Date.parse` takes 30 February for 2 March. */
export const isDay = (day: string) => {
  const millis = Date.parse(`${day}T00:00Z`)
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(day)
}

/** Digits are an id; a time without a zone is one in UTC, as the table's hours are. */
export const parse = (text: string): Option.Option<AsOf> => {
  if (id.test(text)) return Option.some(AsOf.make({ _tag: "Snapshot", id: text }))
  const [, day, clock = "00:00", zone = "Z"] = time.exec(text) ?? []
  // The day ends at 23:59:59.999, though `Date.parse` knows a 24:00.
  if (day === undefined || !isDay(day) || clock.startsWith("24")) return Option.none()
  const millis = Date.parse(`${day}T${clock}${zone}`)
  return Number.isNaN(millis) ? Option.none() : Option.some(AsOf.make({ _tag: "Time", millis }))
}

/** What was given instead of a time, with why it is none if it looks like one. */
export const unlikeTime = (text: string) => {
  const [, day] = time.exec(text) ?? []
  if (day === undefined) return text
  return isDay(day) ? `${text}, a time of day that does not exist` : `${text}, a day that does not exist`
}

export const asOfFlag = Flag.String("as-of").pipe(
  Flag.withDescription("Look at an older snapshot: its id, or a time such as 2026-01-08T14:30 (UTC)"),
  Flag.withMetavar("snapshot or time"),
  Flag.filterMap(
    parse,
    (text) => `Expected a snapshot's id or a time such as 2026-01-08T14:30, and got ${unlikeTime(text)}`
  ),
  Flag.optional
)
