/** `--as-of`: a snapshot by its id or by a time. */
import { Option } from "effect"
import { Flag } from "effect/cli"
import { AsOf } from "../../services/TableReader.ts"

const id = /^\d{1,19}$/
const date = String.raw`\d{4}-\d\d-\d\d`
const time = new RegExp(`^(${date})(?:[T ](\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d{1,3})?)?)(Z|[+-]\\d\\d:?\\d\\d)?)?$`)

/** Digits are an id; a time without a zone is one in UTC, as the table's hours are. */
export const parse = (text: string): Option.Option<AsOf> => {
  if (id.test(text)) return Option.some(AsOf.make({ _tag: "Snapshot", id: text }))
  const match = time.exec(text)
  if (match === null) return Option.none()
  const millis = Date.parse(`${match[1]}T${match[2] ?? "00:00"}${match[3] ?? "Z"}`)
  return Number.isNaN(millis) ? Option.none() : Option.some(AsOf.make({ _tag: "Time", millis }))
}

export const asOf = Flag.String("as-of").pipe(
  Flag.withDescription("Look at an older snapshot: its id, or a time such as 2026-01-08T14:30 (UTC)"),
  Flag.withMetavar("snapshot or time"),
  Flag.filterMap(parse, (text) => `Expected a snapshot's id or a time such as 2026-01-08T14:30, and got ${text}`),
  Flag.optional
)
