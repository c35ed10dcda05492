/** Partition transforms: the text that a COPY computes for a row, and the partition value that it stands for. Pure. */
import { decimalOf, type PartitionField } from "../../../services/StreamDefinition.ts"
import type { FieldType, TableField } from "./fields.ts"
import * as SingleValue from "./singleValue.ts"

/** A field of a partition spec. */
export interface PartitionColumn {
  /** The field's name in the partition spec. */
  readonly name: string
  /** The field's name in manifests. */
  readonly avro: string
  /** As the specification writes it: `day`, `bucket[16]`. */
  readonly transform: string
  readonly source: TableField
  /** Of the partition's values. */
  readonly type: string
  /** The column that a COPY partitions by, and the name of its folders. */
  readonly folder: string
  /** SQL for the text of a row's partition value, or for a digest of it if it is long, with the source column as `value`. */
  readonly text: (value: string) => string
  /** SQL for the whole text. */
  readonly wholeText: (value: string) => string
  /** The value of a text. */
  readonly parse: (text: string) => SingleValue.Value | undefined
  /** The value for a time in milliseconds since 1970; undefined if the field is no time. */
  readonly at: (millis: number) => number | undefined
}

const primitiveOf = (type: FieldType) => (typeof type === "string" ? type : "")

/** Without time zone: the engine would convert to the session's. */
const plain = (type: string, value: string) => (type === "timestamptz" ? `make_timestamp(epoch_us(${value}))` : value)

const hourText = /^(\d{4})-(\d\d)-(\d\d)-(\d\d)$/
const time = {
  year: {
    text: (value: string) => `CAST(year(${value}) AS VARCHAR)`,
    parse: (text: string) => Number(text) - 1970,
    at: (millis: number) => new Date(millis).getUTCFullYear() - 1970
  },
  month: {
    text: (value: string) => `strftime(${value}, '%Y-%m')`,
    parse: (text: string) => (Number(text.slice(0, -3)) - 1970) * 12 + Number(text.slice(-2)) - 1,
    at: (millis: number) => (new Date(millis).getUTCFullYear() - 1970) * 12 + new Date(millis).getUTCMonth()
  },
  day: {
    text: (value: string) => `CAST(CAST(${value} AS DATE) AS VARCHAR)`,
    parse: (text: string) => SingleValue.parse("date", text),
    at: (millis: number) => Math.floor(millis / 86_400_000)
  },
  hour: {
    text: (value: string) => `strftime(${value}, '%Y-%m-%d-%H')`,
    parse: (text: string) => {
      const [, year, month, day, hour] = hourText.exec(text) ?? []
      return year === undefined ? undefined : Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`) / 3_600_000
    },
    at: (millis: number) => Math.floor(millis / 3_600_000)
  }
}

/** Java's longs and ints wrap around where the next smaller multiple is out of range, and other readers compute as Java does. */
const truncatedInteger = (type: string, value: string, width: number) => {
  const wide = `CAST(${value} AS HUGEINT)`
  const [least, range] =
    type === "int" ? ["-2147483648", "4294967296"] : ["-9223372036854775808", "18446744073709551616"]
  const multiple = multipleOf(wide, width)
  return `CASE WHEN ${multiple} < ${least} THEN ${multiple} + ${range} ELSE ${multiple} END`
}

const multipleOf = (integer: string, width: number) =>
  `(${integer} - (((${integer} % ${width}) + ${width}) % ${width}))`

/** The width counts units of the last digit; the text is the unscaled number. */
const truncatedDecimal = (value: string, width: number) =>
  multipleOf(`CAST(replace(CAST(${value} AS VARCHAR), '.', '') AS HUGEINT)`, width)

const truncated = (type: string, value: string, width: number) => {
  if (type === "string") return `left(${value}, ${width})`
  if (type === "binary") return `left(hex(${value}), ${width * 2})`
  if (decimalOf(type) !== undefined) return `CAST(${truncatedDecimal(value, width)} AS VARCHAR)`
  return `CAST(${truncatedInteger(type, value, width)} AS VARCHAR)`
}

/** Names of the functions that ParquetWriter registers. */
export const bucketFunctions = { bytes: "floe_bucket_bytes", long: "floe_bucket_long", decimal: "floe_bucket_decimal" }

const bucketed = (type: string, value: string, buckets: number) => {
  const call = (name: string, argument: string) => `CAST(${name}(${argument}, ${buckets}) AS VARCHAR)`
  if (type === "string") return call(bucketFunctions.bytes, `encode(${value})`)
  if (type === "binary") return call(bucketFunctions.bytes, value)
  if (type === "uuid") return call(bucketFunctions.bytes, `unhex(replace(CAST(${value} AS VARCHAR), '-', ''))`)
  if (decimalOf(type) !== undefined) return call(bucketFunctions.decimal, `CAST(${value} AS VARCHAR)`)
  if (type === "date") return call(bucketFunctions.long, `CAST(${value} - DATE '1970-01-01' AS BIGINT)`)
  if (type === "int" || type === "long") return call(bucketFunctions.long, `CAST(${value} AS BIGINT)`)
  return call(bucketFunctions.long, `epoch_us(${value})`)
}

const textOf = (type: string, value: string) =>
  type === "binary" ? `hex(${value})` : type === "string" ? value : `CAST(${value} AS VARCHAR)`

/** Starts the text that stands for a value too long for a folder's name. */
const digestMark = "\u0001"

/** A folder's name has at most 255 bytes, and each byte of a value may take three. */
const short = (text: string) =>
  `CASE WHEN strlen(${text}) > 48 OR starts_with(${text}, chr(1)) THEN chr(1) || md5(${text}) ELSE ${text} END`

export const isDigest = (text: string) => text.startsWith(digestMark)

/** Why Floe cannot partition by this, as the end of a sentence that begins with the column; undefined if it can. */
export const whyNoPartition = ({ transform, width }: PartitionField, type: FieldType) => {
  const name = primitiveOf(type)
  const needsTime = transform in time
  if (name === "") return "is no single value"
  if (name === "float" || name === "double") return "is a floating-point number"
  if (needsTime && !["date", "timestamp", "timestamptz"].includes(name)) return `is no time, as ${transform} needs`
  if (transform === "hour" && name === "date") return "is a date, which has no hours"
  if (transform === "bucket" && name === "boolean") return "is a boolean, which has no buckets"
  const canTruncate = ["int", "long", "string", "binary"].includes(name) || decimalOf(name) !== undefined
  if (transform === "truncate" && !canTruncate) return "cannot be truncated"
  const hasWidth = transform === "bucket" || transform === "truncate"
  return hasWidth && !(width !== undefined && width > 0) ? `needs a width for ${transform}` : undefined
}

const whole = (text: PartitionColumn["text"]) => ({ text, wholeText: text })
const lengthy = (text: PartitionColumn["text"]) => ({ text: (value: string) => short(text(value)), wholeText: text })

/** Avro's names have only these characters. Iceberg's Java library replaces the others in the same way. */
const avroName = (name: string) =>
  name.replace(/^[0-9]/, "_$&").replace(/[^A-Za-z0-9_]/g, (one) => `_x${one.charCodeAt(0).toString(16).toUpperCase()}`)

/** The names of a partition field: in the partition spec, and in manifests. */
export const namesOf = (name: string) => ({ name, avro: avroName(name) })

/** `name` is the field's name in the partition spec. */
export const partitionColumn = (
  { transform, width = 1 }: PartitionField,
  source: TableField,
  name: string
): PartitionColumn => {
  const type = primitiveOf(source.type)
  const own = (text: string) => SingleValue.parse(type, text)
  const named = {
    ...namesOf(name),
    source,
    folder: /^[a-z0-9_]{1,60}$/i.test(name)
      ? `${name}${transform === "identity" ? "_identity" : ""}`
      : `partition_${source.id}`
  }
  switch (transform) {
    case "identity":
      return {
        ...named,
        ...lengthy((value) => textOf(type, value)),
        transform,
        type,
        parse: own,
        at: () => undefined
      }
    case "truncate":
      return {
        ...named,
        transform: `truncate[${width}]`,
        type,
        ...lengthy((value) => truncated(type, value, width)),
        parse: own,
        at: () => undefined
      }
    case "bucket":
      return {
        ...named,
        ...whole((value) => bucketed(type, value, width)),
        transform: `bucket[${width}]`,
        type: "int",
        parse: Number,
        at: () => undefined
      }
    default:
      return {
        ...named,
        ...time[transform],
        transform,
        type: transform === "day" ? "date" : "int",
        ...whole((value) => time[transform].text(plain(type, value)))
      }
  }
}
