/** Values of Iceberg's primitive types: read from DuckDB's text, and serialized as the specification writes single values. Pure. */
import { decimalOf } from "../../../services/StreamDefinition.ts"

/**
 * date is days and time, timestamp and timestamptz are microseconds, since 1970; a decimal is its unscaled number; a uuid
 * is its 16 bytes.
 */
export type Value = boolean | number | bigint | string | Buffer

const dayMillis = 86_400_000
const timestampText = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?|Z)?$/
const timeText = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/

const microsOf = (fraction: string | undefined) => BigInt((fraction ?? "").padEnd(6, "0"))

const whole = (text: string) => (/^-?\d+$/.test(text) ? BigInt(text) : undefined)

const numberOf = (text: string) => {
  const number = text === "" ? Number.NaN : Number(text)
  return Number.isNaN(number) ? undefined : number
}

const parsers: Readonly<Record<string, (text: string) => Value | undefined>> = {
  boolean: (text) => text === "true" || text === "1",
  int: numberOf,
  long: whole,
  float: numberOf,
  double: numberOf,
  date: (text) => {
    const millis = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
    return Number.isNaN(millis) ? undefined : millis / dayMillis
  },
  time: (text) => {
    const [, hours, minutes, seconds, fraction] = timeText.exec(text) ?? []
    if (hours === undefined) return undefined
    return BigInt(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1_000_000n + microsOf(fraction)
  },
  timestamp: (text) => {
    const [, date, time, fraction] = timestampText.exec(text) ?? []
    return date === undefined ? undefined : BigInt(Date.parse(`${date}T${time}Z`)) * 1000n + microsOf(fraction)
  },
  string: (text) => text,
  uuid: (text) => Buffer.from(text.replaceAll("-", ""), "hex"),
  binary: (text) => Buffer.from(text, "hex")
}

/**
 * A value of this type as DuckDB prints it: decimals with all digits of their scale, timestamptz in UTC, binary in
 * hexadecimal. Undefined for NaN, and for years that Iceberg's readers do not have (BC).
 */
export const parse = (type: string, text: string): Value | undefined =>
  decimalOf(type) === undefined
    ? parsers[type === "timestamptz" ? "timestamp" : type]?.(text)
    : whole(text.replace(".", ""))

/** Not from Node's pool: manifest entries live long, and each would keep a whole slab of the pool alive. */
const bytes = (length: number, write: (buffer: Buffer) => void) => {
  const buffer = Buffer.alloc(length)
  write(buffer)
  return buffer
}

/** Two's complement, big-endian, in as few bytes as possible or in `length` of them. */
export const decimalBytes = (unscaled: bigint, length?: number) => {
  let size = length ?? 1
  if (length === undefined) while (BigInt.asIntN(size * 8, unscaled) !== unscaled) size++
  return bytes(size, (buffer) => {
    for (let i = size - 1, rest = unscaled; i >= 0; i--, rest >>= 8n) buffer[i] = Number(rest & 0xffn)
  })
}

/** The serialization of a single value: of bounds, and of the partitions in a manifest list. */
const serialize = (type: string, value: Value): Buffer => {
  if (typeof value === "string") return bytes(Buffer.byteLength(value), (buffer) => buffer.write(value))
  if (typeof value === "boolean") return Buffer.alloc(1, Number(value))
  if (typeof value === "object") return bytes(value.length, (buffer) => buffer.set(value))
  if (decimalOf(type) !== undefined) return decimalBytes(BigInt(value))
  if (type === "float") return bytes(4, (buffer) => buffer.writeFloatLE(Number(value)))
  if (type === "double") return bytes(8, (buffer) => buffer.writeDoubleLE(Number(value)))
  if (type === "int" || type === "date") return bytes(4, (buffer) => buffer.writeInt32LE(Number(value)))
  return bytes(8, (buffer) => buffer.writeBigInt64LE(BigInt(value)))
}

/** In the order of the type; strings in UTF-8 order, bytes unsigned. */
export const compare = (a: Value, b: Value): number => {
  if (typeof a === "object" && typeof b === "object") return a.compare(b)
  if (typeof a === "string" && typeof b === "string") return Buffer.from(a).compare(Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

/** The value of a serialization. */
export const deserialize = (type: string, bytes: Uint8Array): Value => {
  const buffer = Buffer.from(bytes)
  const decimal = decimalOf(type)
  if (decimal !== undefined) return BigInt.asIntN(buffer.length * 8, BigInt(`0x${buffer.toString("hex") || "0"}`))
  if (type === "string") return buffer.toString()
  if (type === "uuid" || type === "binary") return buffer
  if (type === "boolean") return buffer[0] !== 0
  if (type === "float") return buffer.readFloatLE()
  if (type === "double") return buffer.readDoubleLE()
  // An int may have become a long since.
  return buffer.length === 4 ? buffer.readInt32LE() : buffer.readBigInt64LE()
}

const half = 1n << 63n

/**
 * Bounds that enclose these uuids in the order of the specification, which is unsigned, and in that of Iceberg's Java library
 * before 1.11, which compares signed halves. Undefined where the two orders contradict each other.
 */
const uuidBounds = (least: Buffer, greatest: Buffer) => {
  const [low, high] = [least.readBigUInt64BE(0), greatest.readBigUInt64BE(0)]
  const first = low < half ? 0n : half
  if (high < half !== low < half || low === first || high === first + half - 1n) return {}
  const withHalf = (value: bigint) => bytes(16, (buffer) => buffer.writeBigUInt64BE(value))
  return { lower: withHalf(low - 1n), upper: withHalf(high + 1n) }
}

/** Serialized bounds of values of this type; −0.0 and 0.0 are the same value to some readers, and not to others. */
export const boundsOf = (
  type: string,
  least: Value | undefined,
  greatest: Value | undefined
): { readonly lower?: Buffer; readonly upper?: Buffer } => {
  if (type === "uuid") return least instanceof Buffer && greatest instanceof Buffer ? uuidBounds(least, greatest) : {}
  const isFloat = type === "float" || type === "double"
  return {
    ...(least !== undefined && { lower: serialize(type, isFloat && least === 0 ? -0 : least) }),
    ...(greatest !== undefined && { upper: serialize(type, isFloat && greatest === 0 ? 0 : greatest) })
  }
}
