/** A processor's store in memory. */
import { compareKeys } from "../core/compareKeys.ts"
import type { StateRow } from "../core/Task.ts"
import type { Progress, Store, Tick } from "../Store.ts"

interface Logged {
  readonly record: string
  readonly acceptedAt: number
}

interface Content {
  readonly rows: Array<Logged>
  readonly late: Array<Logged>
  readonly dead: Array<{ readonly value: string; readonly reason: string }>
  readonly ticks: Array<Tick>
  readonly states: Map<string, StateRow>
  progress: Progress
}

export interface MemoryStore extends Store {
  /** What is committed. */
  readonly content: () => Content
  /** The committed content as a store that was opened again. */
  readonly reopened: () => MemoryStore
}

const copyOf = ({ dead, late, progress, rows, states, ticks }: Content): Content => ({
  rows: [...rows],
  late: [...late],
  dead: [...dead],
  ticks: [...ticks],
  states: new Map(states),
  progress
})

const idOf = (key: string, start: number) => `${start} ${key}`
const inOrder = (a: StateRow, b: StateRow) => compareKeys(a.key, b.key) || a.start - b.start

export const make = (
  committed: Content = {
    rows: [],
    late: [],
    dead: [],
    ticks: [],
    states: new Map(),
    progress: { next: 0, watermark: Number.NEGATIVE_INFINITY }
  }
): MemoryStore => {
  let kept = committed
  let working = committed
  return {
    content: () => kept,
    reopened: () => make(copyOf(kept)),
    progress: () => kept.progress,
    begin: () => {
      working = copyOf(kept)
    },
    row: (record, acceptedAt) => void working.rows.push({ record, acceptedAt }),
    late: (record, acceptedAt) => void working.late.push({ record, acceptedAt }),
    dead: (value, reason) => void working.dead.push({ value, reason }),
    tick: (tick) => void working.ticks.push(tick),
    put: (row, replaced) => {
      if (replaced !== undefined && replaced !== row.start) working.states.delete(idOf(row.key, replaced))
      working.states.set(idOf(row.key, row.start), row)
    },
    remove: (key, start) => void working.states.delete(idOf(key, start)),
    load: (key) => [...working.states.values()].filter((row) => row.key === key).sort(inOrder),
    some: (limit) => {
      const rows = [...working.states.values()].sort(inOrder)
      const last = rows[limit - 1]
      if (rows.length <= limit || last === undefined) return { rows, isAll: true }
      return { rows: rows.filter(({ key }) => compareKeys(key, last.key) < 0), isAll: false }
    },
    nextEnd: () => Math.min(Number.POSITIVE_INFINITY, ...[...working.states.values()].map(({ end }) => end)),
    due: (end) => [...working.states.values()].filter((row) => row.end === end).sort(inOrder),
    removeEnd: (end) => {
      for (const [id, row] of working.states) if (row.end === end) working.states.delete(id)
    },
    commit: (progress) => {
      kept = { ...working, progress }
      working = kept
    }
  }
}
