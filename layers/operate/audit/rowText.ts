/** The text of a record whose checksum an audit compares, as services/TableChecksums.ts defines it. */
import { Schema } from "effect"
import type { Column, ColumnType, StreamDefinition } from "../../../services/StreamDefinition.ts"

type Encode = (value: unknown) => string
type Parsed = Readonly<Record<string, unknown>>

/** The value of a top-level column, whatever its name was when the record was logged. */
export type ValueOf = (record: Parsed, column: string) => unknown

const absent = "~"
const isRecord = Schema.is(Schema.Record(Schema.String, Schema.Unknown))
const orAbsent = (value: unknown, encode: Encode) => (value === undefined || value === null ? absent : encode(value))

const bits = new DataView(new ArrayBuffer(8))

const doubleBits: Encode = (value) => {
  bits.setFloat64(0, Number(value))
  return String(bits.getBigInt64(0))
}

const floatBits: Encode = (value) => {
  bits.setFloat32(0, Number(value))
  return String(bits.getInt32(0))
}

const framed: Encode = (value) => {
  const text = String(value)
  return `${Buffer.byteLength(text)}:${text}`
}

const primitive = (type: string): Encode => {
  if (type === "double") return doubleBits
  if (type === "float") return floatBits
  return type === "string" || type === "json" ? framed : String
}

/** By UTF-8 bytes, as SQL engines sort texts. */
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

const structOf = (fields: ReadonlyArray<Column>): Encode => {
  const encode = columnsOf(fields)
  return (value) => `(${isRecord(value) ? encode(value) : ""})`
}

const encoder = (column: ColumnType): Encode => {
  if (column.type === "struct") return structOf(column.fields)
  if (column.type === "list") {
    const element = encoder(column.element)
    return (value) => `[${Array.isArray(value) ? value.map((one) => orAbsent(one, element)).join(",") : ""}]`
  }
  if (column.type === "map") {
    const encode = encoder(column.value)
    return (value) => {
      const entries = Object.entries(isRecord(value) ? value : {})
      return `{${entries
        .map(([key, one]) => `${framed(key)}=${orAbsent(one, encode)}`)
        .sort(byBytes)
        .join(",")}}`
    }
  }
  return primitive(column.type)
}

const columnsOf = (columns: ReadonlyArray<Column>, valueOf: ValueOf = (record, name) => record[name]) => {
  const parts = columns.map((column) => ({ name: column.name, encode: encoder(column) }))
  return (record: Parsed) => parts.map(({ encode, name }) => orAbsent(valueOf(record, name), encode)).join(",")
}

/** Gives the text of a parsed record of this stream, which must be canonical. */
export const rowText = ({ columns }: Pick<StreamDefinition, "columns">, valueOf?: ValueOf) =>
  columnsOf(columns, valueOf)
