/** JSON with readings in it, and what JSON.parse does not tell of its text. */
import { Result } from "effect"

/** Ten thousand records with a few fields too many, so that these are named. */
export const maxValues = 100_000

/**
 * How many values the text holds (for `[{},{},…` JSON.parse takes a hundred times the text), how many members its objects
 * have together, and which object is the first with more than two of them (of two with one name JSON.parse keeps the last).
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

/** 72.50 stays 72.50, and 1e2 stays 1e2. */
const asWritten = (key: string, value: unknown, context?: { readonly source?: string }) =>
  key === "temperature" && typeof value === "number" ? context?.source : value

/**
 * A value, in which a temperature that is a number is the text that it has: one record, or an array of them. A reviver
 * takes several times as long, so it is used only where there is such a number.
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

/** It is counted by recursion; a record has two fields, and a line of `floe dlq list` some ten. */
const mostOfRecord = 1_000

const membersOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce<number>(
        (sum, member) => sum + membersOf(member),
        Array.isArray(value) ? 0 : Object.keys(value).length
      )
    : 0

/** Like {@link parseJson}, for the text of one record. The error is the end of a sentence. */
export const parseRecord = (text: string): Result.Result<unknown, string> => {
  const { members, values } = shapeOf(text)
  if (values > mostOfRecord) return Result.fail("is no record")
  return Result.filterOrFail(
    Result.mapError(parseJson(text), () => "is not valid JSON"),
    (value) => membersOf(value) === members,
    () => "names a field twice"
  )
}
