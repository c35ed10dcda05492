/** Parses JSON with readings, and detects what JSON.parse hides: duplicate fields, digits of numbers, too many values. */
import { Result } from "effect"

/** Ten thousand records with a few unknown fields each, so that these fields can still be named. */
export const maxValues = 100_000

/**
 * Counts without parsing: values (for `[{},{},…` JSON.parse takes a hundred times the text), members of all objects, and
 * the index of the first object with more than two members (of duplicate names JSON.parse keeps only the last).
 */
export const shapeOf = (text: string) => {
  let values = 0
  let objects = 0
  let members = 0
  let inObject = 0
  let crowded: number | undefined
  let quoted = false
  for (let i = 0; i < text.length && values <= maxValues; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) quoted = !quoted
    else if (quoted) {
      if (code === 0x5c) i++
    } else if (code === 0x3a) {
      members++
      if (++inObject === 3) crowded ??= objects - 1
    } else if (code === 0x7b || code === 0x5b || code === 0x2c) {
      values++
      if (code === 0x7b) {
        objects++
        inObject = 0
      }
    }
  }
  return { values, members, crowded }
}

const isNumeric = (record: unknown) =>
  typeof record === "object" && record !== null && "temperature" in record && typeof record.temperature === "number"

/** Keeps the digits: 72.50 stays 72.50, and 1e2 stays 1e2. */
const asWritten = (key: string, value: unknown, context?: { readonly source?: string }) =>
  key === "temperature" && typeof value === "number" ? context?.source : value

/**
 * One record or an array of records, with numeric temperatures as the text that was sent. A reviver takes several times
 * as long, so it runs only if there is a numeric temperature.
 */
export const parseJson = (text: string): Result.Result<unknown, undefined> => {
  try {
    const value: unknown = JSON.parse(text)
    const numeric = Array.isArray(value) ? value.some(isNumeric) : isNumeric(value)
    return Result.succeed(numeric ? JSON.parse(text, asWritten) : value)
  } catch {
    return Result.fail(undefined)
  }
}

/** Limits the recursion of `membersOf`; a line of `floe dlq list` has about ten values. */
const mostOfRecord = 1_000

const membersOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce<number>(
        (sum, member) => sum + membersOf(member),
        Array.isArray(value) ? 0 : Object.keys(value).length
      )
    : 0

/** Like {@link parseJson}, for one record. The error is a predicate, for example `is not valid JSON`. */
export const parseRecord = (text: string): Result.Result<unknown, string> => {
  const { members, values } = shapeOf(text)
  if (values > mostOfRecord) return Result.fail("is not a record")
  return Result.filterOrFail(
    Result.mapError(parseJson(text), () => "is not valid JSON"),
    (value) => membersOf(value) === members,
    () => "names a field twice"
  )
}
