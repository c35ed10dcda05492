/** Which Idempotency-Key was logged where: those of the last 24 hours, or of the last so many events of the topic. */
import type { IdempotencyKey, Position, PositionRun } from "../../../services/EventLog.ts"
import type { KeyedRecord } from "./records.ts"

/** Milliseconds for which a repeated key is recognised. */
export const kept = 24 * 60 * 60 * 1_000

export interface Receipt {
  readonly digest: string
  readonly count: number
  /** Events of the topic before it. */
  readonly place: number
  acceptedAt: number
  /** The hour of the first of its records. */
  ts: string
  /** A request with this key is being answered. */
  busy: boolean
  /** Where its records are, by their index; gone once it is whole. */
  parts: Map<number, Position> | undefined
  /** Where its records are, in their order; empty until it is whole. */
  positions: ReadonlyArray<PositionRun>
}

export interface IdempotencyIndex {
  readonly find: (key: string, now: number) => Receipt | undefined
  readonly begin: (idempotency: IdempotencyKey, count: number, ts: string, now: number) => Receipt
  /** Nothing of it was logged, and it is not known any more. */
  readonly forget: (key: string, receipt: Receipt) => void
  /** A record was found, or delivered, there. False if the same record stands elsewhere already. */
  readonly placed: (receipt: Receipt, index: number, position: Position) => boolean
  /** The same for one that was read from the topic. */
  readonly read: (
    record: KeyedRecord,
    position: Position,
    at: { readonly acceptedAt: number; readonly ts: () => string }
  ) => boolean
  /** The partition is known to go on to this offset at least. */
  readonly reached: (partition: number, end: number) => void
  readonly clear: () => void
  /** For each partition the offset up to which it is known. */
  readonly ends: () => ReadonlyArray<number>
}

/** Runs of positions, in the order of the records. */
export const runsOf = (positions: Iterable<Position>): ReadonlyArray<PositionRun> => {
  const runs: Array<Position & { count: number }> = []
  let last: (Position & { count: number }) | undefined
  for (const { partition, offset } of positions) {
    if (last !== undefined && last.partition === partition && last.offset + last.count === offset) last.count++
    else {
      last = { partition, offset, count: 1 }
      runs.push(last)
    }
  }
  return runs
}

/** Keys go by the generation, so many of which are a whole window; one that is looked up is judged by itself. */
const parts = 4
/** Keys of uncertain requests may not count as events yet. */
const maxGenerations = 4 * parts

interface Generation {
  readonly keys: Map<string, Receipt>
  /** Of its youngest. */
  place: number
  acceptedAt: number
}

const generation = (): Generation => ({
  keys: new Map(),
  place: Number.NEGATIVE_INFINITY,
  acceptedAt: Number.NEGATIVE_INFINITY
})

/** No key is taken for older than it is at `now`, whatever time the records after it bear. */
export const make = (keysMax: number, now: () => number = () => Number.POSITIVE_INFINITY): IdempotencyIndex => {
  let young = generation()
  let youngSince = { place: 0, at: Number.NEGATIVE_INFINITY }
  let older: ReadonlyArray<Generation> = []
  const ends: Array<number> = []
  let total = 0

  const stored = (key: string) => {
    const receipt = young.keys.get(key)
    if (receipt !== undefined) return receipt
    for (const { keys } of older) {
      const receipt = keys.get(key)
      if (receipt !== undefined) return receipt
    }
    return undefined
  }

  const isWithin = (since: { readonly place: number; readonly acceptedAt: number }, place: number, at: number) =>
    Math.min(at, now()) - since.acceptedAt < kept && place - since.place <= keysMax

  const isKnown = (receipt: Receipt, now: number) => receipt.busy || isWithin(receipt, total, now)

  const add = (key: string, receipt: Receipt) => {
    const { place, acceptedAt } = receipt
    const room = keysMax / parts
    if (young.keys.size >= room || place - youngSince.place >= room || acceptedAt - youngSince.at >= kept / parts) {
      older = [young, ...older.filter((generation) => isWithin(generation, total, acceptedAt))].slice(0, maxGenerations)
      young = generation()
      youngSince = { place, at: acceptedAt }
    }
    young.keys.set(key, receipt)
    young.place = Math.max(young.place, place)
    young.acceptedAt = Math.max(young.acceptedAt, acceptedAt)
    return receipt
  }

  const placed: IdempotencyIndex["placed"] = (receipt, index, position) => {
    const { parts } = receipt
    if (parts === undefined) {
      return receipt.positions.some(
        ({ partition, offset, count }) =>
          partition === position.partition && position.offset >= offset && position.offset < offset + count
      )
    }
    const before = parts.get(index)
    if (before !== undefined) return before.partition === position.partition && before.offset === position.offset
    parts.set(index, position)
    if (parts.size < receipt.count) return true
    receipt.positions = runsOf([...parts].sort(([a], [b]) => a - b).map(([, at]) => at))
    receipt.parts = undefined
    return true
  }

  return {
    find: (key, now) => {
      const receipt = stored(key)
      return receipt !== undefined && isKnown(receipt, now) ? receipt : undefined
    },
    begin: ({ key, digest }, count, ts, acceptedAt) => {
      const parts = new Map<number, Position>()
      return add(key, { digest, count, place: total, acceptedAt, ts, busy: true, parts, positions: [] })
    },
    forget: (key, receipt) => {
      for (const { keys } of [young, ...older]) if (keys.get(key) === receipt) keys.delete(key)
    },
    placed,
    read: ({ key, digest, index, count }, position, { acceptedAt, ts }) => {
      const known = stored(key)
      const place = total - Math.max(0, (ends[position.partition] ?? 0) - position.offset)
      // The key was used anew after its time, or by a server that did not know of it: the later one counts.
      const same = known !== undefined && known.digest === digest && known.count === count
      if (same && (known.busy || isWithin(known, place, acceptedAt))) return placed(known, index, position)
      const parts = new Map<number, Position>()
      const receipt = { digest, count, place, acceptedAt, ts: ts(), busy: false, parts, positions: [] }
      return placed(add(key, receipt), index, position)
    },
    reached: (partition, end) => {
      const before = ends[partition] ?? 0
      ends[partition] = Math.max(before, end)
      total += Math.max(0, end - before)
    },
    clear: () => {
      young = generation()
      older = []
      ends.length = 0
    },
    ends: () => Array.from(ends, (end) => end ?? 0)
  }
}
