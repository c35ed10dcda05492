/** Finds the rows that differ in an hour whose checksums differ, in bounded memory: it holds only slices that differ. */
import { Effect, Stream } from "effect"
import {
  checksumOf,
  nullText,
  type Sum,
  separator,
  type TableHour,
  type TableView
} from "../../../services/TableChecksums.ts"
import { type LoggedHour, makeSlices, visit } from "./hourlyChecksums.ts"

/** Average records of a slice, and slices held at once: some 50 MiB. */
const perSlice = 50_000
const slicesAtOnce = 4

export interface Example {
  readonly ts: TableHour
  readonly kind: "missing" | "extra"
  readonly city: string | null
  readonly temperature: string | null
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
  readonly city: string | null
  readonly temperature: string | null
  /** Rows in the log minus rows in the table. */
  rows: number
}

const keyOf = (city: string | null, temperature: string | null) =>
  `${city ?? nullText}${separator}${temperature ?? nullText}`

const grouped = (slices: ReadonlyArray<number>) => {
  const groups: Array<ReadonlyArray<number>> = []
  for (let i = 0; i < slices.length; i += slicesAtOnce) groups.push(slices.slice(i, i + slicesAtOnce))
  return groups
}

export const compareHour = Effect.fn("Audit.compareHour")(function* (
  table: TableView,
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
    const add = (city: string | null, temperature: string | null, rows: number) => {
      const key = keyOf(city, temperature)
      const balance = balances.get(key)
      if (balance === undefined) balances.set(key, { city, temperature, rows })
      else if (balance.rows + rows === 0) balances.delete(key)
      else balance.rows += rows
    }
    yield* visit(runs, ({ record }) => {
      if (record.ts !== ts) return
      if (of > 1 && !wanted.has(Number(checksumOf(record) % BigInt(of)))) return
      add(record.city, record.temperature, 1)
    })
    yield* Stream.runForEach(table.records(ts, { of, slices }), ({ city, temperature, rows }) =>
      Effect.sync(() => add(city, temperature, -rows))
    )
    for (const { city, temperature, rows } of balances.values()) {
      if (rows > 0) missing += rows
      else extra -= rows
      if (examples.length < maxExamples) {
        examples.push({ ts, kind: rows > 0 ? "missing" : "extra", city, temperature, rows: Math.abs(rows) })
      }
    }
  })

  if (of === 1) yield* compareSlices([0])
  else {
    const ofLog = makeSlices(ts, of)
    yield* visit(runs, ofLog.add)
    const ofTable = yield* table.slices(ts, of)
    const loggedSlices = ofLog.all()
    const slices = [...new Set([...loggedSlices.keys(), ...ofTable.keys()])]
    const differing = slices.filter((slice) => !same(loggedSlices.get(slice), ofTable.get(slice)))
    for (const group of grouped(differing)) yield* compareSlices(group)
  }
  return { missing, extra, examples } satisfies Difference
})
