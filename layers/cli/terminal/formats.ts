/** Query results as JSON, NDJSON and CSV, row by row. */
import { Stream } from "effect"
import type { QueryColumn, QueryValue } from "../../../services/Query.ts"

export type Rows<E> = Stream.Stream<ReadonlyArray<QueryValue>, E>

const exactNumber = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|INT|BIGNUM|DECIMAL)/i
const numeral = /^-?\d+(\.\d+)?$/

export const isNumber = ({ type }: QueryColumn) => exactNumber.test(type) || /^(FLOAT|DOUBLE|REAL)/i.test(type)

/** Exact numbers arrive as strings, and become JSON numbers of any length. */
const asJson = (column: QueryColumn | undefined, value: QueryValue | undefined) =>
  typeof value === "string" && column !== undefined && exactNumber.test(column.type) && numeral.test(value)
    ? value
    : JSON.stringify(value ?? null)

/** `name`, then `name:1`, `name:2`, … for columns with the same name. */
const keysOf = (columns: ReadonlyArray<QueryColumn>) => {
  const seen = new Map<string, number>()
  return columns.map(({ name }) => {
    const times = seen.get(name) ?? 0
    seen.set(name, times + 1)
    return JSON.stringify(times === 0 ? name : `${name}:${times}`)
  })
}

const objectsOf = (columns: ReadonlyArray<QueryColumn>) => {
  const keys = keysOf(columns)
  return (row: ReadonlyArray<QueryValue>) =>
    `{${keys.map((key, i) => `${key}:${asJson(columns[i], row[i])}`).join(",")}}`
}

/** One object per line. */
export const ndjson = <E>(columns: ReadonlyArray<QueryColumn>, rows: Rows<E>): Stream.Stream<string, E> => {
  const object = objectsOf(columns)
  return Stream.mapArray(rows, (chunk) => [chunk.map((row) => `${object(row)}\n`).join("")])
}

/** One array of objects. */
export const json = <E>(columns: ReadonlyArray<QueryColumn>, rows: Rows<E>): Stream.Stream<string, E> => {
  const object = objectsOf(columns)
  const body = Stream.mapArray(rows, (chunk, index) => [
    `${index === 0 ? "\n" : ",\n"}${chunk.map((row) => `  ${object(row)}`).join(",\n")}`
  ])
  return Stream.make("[").pipe(Stream.concat(body), Stream.concat(Stream.make("\n]\n")))
}

/** RFC 4180 with a header. NULL is an empty field; an empty string is "". */
export const csv = <E>(columns: ReadonlyArray<QueryColumn>, rows: Rows<E>): Stream.Stream<string, E> => {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  const field = (value: QueryValue) => {
    if (value === null) return ""
    const text = typeof value === "string" ? value : JSON.stringify(value)
    return text === "" || /[",\r\n]|^\ufeff/.test(text) ? quoted(text) : text
  }
  const line = (values: ReadonlyArray<QueryValue>) => `${values.map(field).join(",")}\r\n`
  return Stream.make(line(columns.map(({ name }) => name))).pipe(
    Stream.concat(Stream.mapArray(rows, (chunk) => [chunk.map(line).join("")]))
  )
}
