/** The partition of a file, as a manifest records it and as a key of a map. Pure. */

import { decimalOf } from "../../../services/StreamDefinition.ts"
import { hourOf } from "../../../services/Weather.ts"
import * as SingleValue from "./singleValue.ts"
import type { TableSpec } from "./TableSpec.ts"

/** One value per field of the partition spec, as Avro encodes and decodes it. */
export type Partition = Readonly<Record<string, unknown>>

const keyPart = (value: unknown) => {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value)
}

/** Equal for files of the same partition. */
export const keyOf = ({ partitions }: TableSpec, partition: Partition) =>
  JSON.stringify(partitions.map(({ avro }) => keyPart(partition[avro])))

/** How many bytes hold a decimal of this precision. */
export const decimalLength = (precision: number) => SingleValue.decimalBytes(10n ** BigInt(precision) - 1n).length

const toAvro = (type: string, value: SingleValue.Value) => {
  const decimal = decimalOf(type)
  if (decimal !== undefined && typeof value === "bigint") {
    return SingleValue.decimalBytes(value, decimalLength(decimal.precision))
  }
  return typeof value === "bigint" && BigInt.asIntN(53, value) === value ? Number(value) : value
}

/** The partition whose texts a COPY reports, by folder name. */
export const fromTexts = ({ partitions }: TableSpec, texts: ReadonlyMap<string, string | null>): Partition =>
  Object.fromEntries(
    partitions.map(({ avro, folder, parse, type }) => {
      const text = texts.get(folder) ?? null
      const value = text === null ? undefined : parse(text)
      return [avro, value === undefined ? null : toAvro(type, value)]
    })
  )

/** A partition's value; undefined for null, and for what another engine wrote under another type. */
export const valueOf = (type: string, value: unknown): SingleValue.Value | undefined => {
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value)
    if (decimalOf(type) === undefined) return bytes
    return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString("hex") || "0"}`))
  }
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "bigint"
  return isPlain || typeof value === "boolean" ? value : undefined
}

/** Whether events of now or later may belong to this partition; false where no field is a time. */
export const mayGrow = ({ hasHiveLayout, partitions }: TableSpec, key: string, millis: number) => {
  const parts: ReadonlyArray<string | null> = JSON.parse(key)
  if (hasHiveLayout) return (parts[0] ?? "") >= hourOf(millis)
  const times = partitions.flatMap(({ at }, i) => {
    const now = at(millis)
    return now === undefined ? [] : [{ now, of: Number(parts[i] ?? Number.NaN) }]
  })
  return times.length > 0 && times.every(({ now, of }) => of >= now)
}

const textOfMonths = (months: number) =>
  `${1970 + Math.floor(months / 12)}-${String((((months % 12) + 12) % 12) + 1).padStart(2, "0")}`

/** A partition's value for a person: `2026-11-27` for a day. */
export const partitionText = (transform: string, value: unknown) => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  if (typeof value !== "number") return String(value)
  switch (transform) {
    case "year":
      return String(1970 + value)
    case "month":
      return textOfMonths(value)
    case "day":
      return new Date(value * 86_400_000).toISOString().slice(0, 10)
    case "hour":
      return new Date(value * 3_600_000).toISOString().slice(0, 13).replace("T", "-")
    default:
      return String(value)
  }
}
