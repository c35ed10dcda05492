/**
 * JSON that preserves every number. An integer that a double cannot hold is a bigint, and so is each snapshot id; any other
 * number that would be written differently than it was read stays raw JSON text.
 */
declare global {
  interface JSON {
    rawJSON(text: string): object
  }
}

type Context = { readonly source?: string }

const isSnapshotId = (key: string) => key === "snapshot-id" || key.endsWith("-snapshot-id")
const isInteger = (source: string) => /^-?\d+$/.test(source) && source !== "-0"

export const parse = (text: string): unknown =>
  JSON.parse(text, (key: string, value: unknown, ...[context]: ReadonlyArray<Context>) => {
    const source = context?.source
    if (typeof value !== "number" || source === undefined) return value
    if (!isInteger(source)) return String(value) === source ? value : JSON.rawJSON(source)
    return isSnapshotId(key) || !Number.isSafeInteger(value) ? BigInt(source) : value
  })

export const stringify = (value: unknown) =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? JSON.rawJSON(String(inner)) : inner))
