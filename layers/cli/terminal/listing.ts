/** Tables and lists of values for people, or JSON for programs. */
import { Effect, Stream } from "effect"
import type { QueryColumn, QueryValue } from "../../../services/Query.ts"
import { json } from "./formats.ts"
import { table } from "./formatTable.ts"
import { outputWidth, print } from "./Output.ts"

export interface Column<A> extends QueryColumn {
  readonly of: (value: A) => QueryValue
  readonly whole?: boolean
}

export const text = <A>(name: string, of: (value: A) => QueryValue): Column<A> => ({ name, type: "VARCHAR", of })
/** A column that is never truncated. */
export const whole = <A>(name: string, of: (value: A) => QueryValue): Column<A> => ({ ...text(name, of), whole: true })
export const count = <A>(name: string, of: (value: A) => QueryValue): Column<A> => ({ name, type: "BIGINT", of })

/** Prints one row for each value. */
export const list = Effect.fnUntraced(function* <A, E>(
  columns: ReadonlyArray<Column<A>>,
  values: Stream.Stream<A, E>,
  machine: boolean
) {
  const rows = Stream.map(values, (value) => columns.map((column) => column.of(value)))
  if (machine) return yield* print(json(columns, rows))
  yield* print(table(columns, rows, yield* outputWidth))
})

/** Prints names and values; the lines of a multi-line value are aligned. */
export const facts = Effect.fnUntraced(function* (entries: ReadonlyArray<readonly [name: string, value: string]>) {
  const width = Math.max(...entries.map(([name]) => name.length)) + 2
  const lines = entries.map(
    ([name, value]) => `${name.padEnd(width)}${value.replaceAll("\n", `\n${" ".repeat(width)}`)}\n`
  )
  yield* print(Stream.make(lines.join("")))
})

/** The limit of JavaScript dates. Kafka accepts later timestamps from producers (for example, in nanoseconds). */
const lastTime = 8.64e15

export const time = (millis: number) => new Date(Math.max(-lastTime, Math.min(millis, lastTime))).toISOString()

const units = ["B", "KiB", "MiB", "GiB", "TiB"]

/** `1.5 MiB`. */
export const size = (bytes: number) => {
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}
