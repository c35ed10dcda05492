/** Which Idempotency-Key was logged where: those of the last 24 hours, or of the last so many events of the topic. */
import type { IdempotencyKey, Position, PositionRun } from "../../services/EventLog.ts"
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

export interface Keys {
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

/** Keys go by the generation; one that is looked up is judged by itself. */
const generations = 4

export const make = (keysMax: number): Keys => {
  let young = new Map<string, Receipt>()
  let older: ReadonlyArray<Map<string, Receipt>> = []
  let youngSince = { place: 0, at: Number.NEGATIVE_INFINITY }
  const ends: Array<number> = []
  let total = 0

  const rotate = (now: number) => {
    if (total - youngSince.place < keysMax / generations && now - youngSince.at < kept / generations) return
    older = [young, ...older.slice(0, generations - 1)]
    young = new Map()
    youngSince = { place: total, at: now }
  }

  const stored = (key: string) => {
    const receipt = young.get(key)
    if (receipt !== undefined) return receipt
    for (const generation of older) {
      const receipt = generation.get(key)
      if (receipt !== undefined) return receipt
    }
    return undefined
  }

  const isKnown = (receipt: Receipt, now: number) =>
    receipt.busy || (now - receipt.acceptedAt < kept && total - receipt.place <= keysMax)

  const add = (key: string, receipt: Receipt) => {
    young.set(key, receipt)
    return receipt
  }

  const placed: Keys["placed"] = (receipt, index, position) => {
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
      rotate(acceptedAt)
      const parts = new Map<number, Position>()
      return add(key, { digest, count, place: total, acceptedAt, ts, busy: true, parts, positions: [] })
    },
    forget: (key, receipt) => {
      for (const generation of [young, ...older]) if (generation.get(key) === receipt) generation.delete(key)
    },
    placed,
    read: ({ key, digest, index, count }, position, { acceptedAt, ts }) => {
      const known = stored(key)
      // The key was used anew after its time, or by a server that did not know of it: the later one counts.
      const same = known !== undefined && known.digest === digest && known.count === count
      if (same && (known.busy || acceptedAt - known.acceptedAt < kept)) return placed(known, index, position)
      rotate(acceptedAt)
      const parts = new Map<number, Position>()
      const place = total - Math.max(0, (ends[position.partition] ?? 0) - position.offset)
      const receipt = { digest, count, place, acceptedAt, ts: ts(), busy: false, parts, positions: [] }
      return placed(add(key, receipt), index, position)
    },
    reached: (partition, end) => {
      const before = ends[partition] ?? 0
      ends[partition] = Math.max(before, end)
      total += Math.max(0, end - before)
    },
    clear: () => {
      young = new Map()
      older = []
      ends.length = 0
    },
    ends: () => [...ends]
  }
}
