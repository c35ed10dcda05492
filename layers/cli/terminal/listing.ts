/** What a command shows: a table or a list of values for people, or JSON. */
import { Effect, Stream } from "effect"
import type { QueryColumn, QueryValue } from "../../../services/Query.ts"
import { json } from "./formats.ts"
import { table } from "./formatTable.ts"
import { outputWidth, print } from "./Output.ts"

export interface Column<A> extends QueryColumn {
  readonly of: (value: A) => QueryValue
  /** Not cut to fit the terminal. */
  readonly whole?: boolean
}

export const text = <A>(name: string, of: (value: A) => QueryValue): Column<A> => ({ name, type: "VARCHAR", of })
/** What is of no use when it is cut, such as an id. */
export const whole = <A>(name: string, of: (value: A) => QueryValue): Column<A> => ({ ...text(name, of), whole: true })
export const count = <A>(name: string, of: (value: A) => QueryValue): Column<A> => ({ name, type: "BIGINT", of })

/** One row for each value. */
export const list = Effect.fnUntraced(function* <A, E>(
  columns: ReadonlyArray<Column<A>>,
  values: Stream.Stream<A, E>,
  machine: boolean
) {
  const rows = Stream.map(values, (value) => columns.map((column) => column.of(value)))
  if (machine) return yield* print(json(columns, rows))
  yield* print(table(columns, rows, yield* outputWidth))
})

/** Names, and what there is to say of each; a text of several lines is set below itself. */
export const facts = Effect.fnUntraced(function* (entries: ReadonlyArray<readonly [name: string, value: string]>) {
  const width = Math.max(...entries.map(([name]) => name.length)) + 2
  const lines = entries.map(
    ([name, value]) => `${name.padEnd(width)}${value.replaceAll("\n", `\n${" ".repeat(width)}`)}\n`
  )
  yield* print(Stream.make(lines.join("")))
})

/** Beyond it there is no date, and yet Kafka takes such times from a producer: in nanoseconds, for instance. */
const lastTime = 8.64e15

export const time = (millis: number) => new Date(Math.max(-lastTime, Math.min(millis, lastTime))).toISOString()

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

/** As 1.5 MiB. */
export const size = (bytes: number) => {
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}
