/** Finds the rows that differ in an hour whose checksums differ, in bounded memory: it holds only slices that differ. */
import { Effect, Stream } from "effect"
import type { LogReader, LogRecord } from "../../../services/EventLog.ts"
import {
  checksumOfText,
  type ShownRow,
  type Sum,
  type TableHour,
  type TableView
} from "../../../services/TableChecksums.ts"
import { type LoggedHour, makeSlices, visit } from "./hourlyChecksums.ts"
import type { RowFormat } from "./RowFormat.ts"

/** Average records of a slice, and slices held at once: some 50 MiB. */
const perSlice = 50_000
const slicesAtOnce = 4

export type Example = ShownRow & {
  readonly ts: TableHour
  readonly kind: "missing" | "extra"
  /** How many rows are missing or extra. */
  readonly rows: number
}

interface Difference {
  readonly missing: number
  readonly extra: number
  readonly examples: ReadonlyArray<Example>
}

export const nothing: Sum = { rows: 0, checksum: 0n }
export const same = (a: Sum = nothing, b: Sum = nothing) => a.rows === b.rows && a.checksum === b.checksum

interface Balance {
  readonly row: { readonly record: LogRecord } | { readonly shown: ShownRow }
  /** Rows in the log minus rows in the table. */
  rows: number
}

const grouped = (slices: ReadonlyArray<number>) => {
  const groups: Array<ReadonlyArray<number>> = []
  for (let i = 0; i < slices.length; i += slicesAtOnce) groups.push(slices.slice(i, i + slicesAtOnce))
  return groups
}

export interface Sides {
  readonly table: TableView
  readonly log: LogReader
  readonly format: RowFormat
}

export const compareHour = Effect.fn("Audit.compareHour")(function* (
  { format, log, table }: Sides,
  ts: TableHour,
  logged: LoggedHour | undefined,
  inTable: Sum | undefined,
  maxExamples: number
) {
  const runs = logged?.runs ?? []
  const of = Math.ceil(Math.max(1, (logged?.rows ?? 0) + (inTable?.rows ?? 0)) / perSlice)
  let missing = 0
  let extra = 0
  const examples: Array<Example> = []

  const compareSlices = Effect.fnUntraced(function* (slices: ReadonlyArray<number>) {
    const wanted = new Set(slices)
    const balances = new Map<string, Balance>()
    const add = (key: string, row: Balance["row"], rows: number) => {
      const balance = balances.get(key)
      if (balance === undefined) balances.set(key, { row, rows })
      else if (balance.rows + rows === 0) balances.delete(key)
      else balance.rows += rows
    }
    yield* visit(log, runs, ({ record }) => {
      if (format.group(record) !== ts) return
      const text = format.text(record)
      if (of > 1 && !wanted.has(Number(checksumOfText(text) % BigInt(of)))) return
      add(text, { record }, 1)
    })
    yield* Stream.runForEach(table.records(ts, { of, slices }), ({ rows, shown, text }) =>
      Effect.sync(() => add(text, { shown }, -rows))
    )
    for (const { row, rows } of balances.values()) {
      if (rows > 0) missing += rows
      else extra -= rows
      if (examples.length < maxExamples) {
        const shown = "shown" in row ? row.shown : format.shown(row.record)
        examples.push({ ts, kind: rows > 0 ? "missing" : "extra", ...shown, rows: Math.abs(rows) })
      }
    }
  })

  if (of === 1) yield* compareSlices([0])
  else {
    const ofLog = makeSlices(format, ts, of)
    yield* visit(log, runs, ofLog.add)
    const ofTable = yield* table.slices(ts, of)
    const loggedSlices = ofLog.all()
    const slices = [...new Set([...loggedSlices.keys(), ...ofTable.keys()])]
    const differing = slices.filter((slice) => !same(loggedSlices.get(slice), ofTable.get(slice)))
    for (const group of grouped(differing)) yield* compareSlices(group)
  }
  return { missing, extra, examples } satisfies Difference
})
