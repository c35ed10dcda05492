/**
 * Compares the rows that a stream's log has with those that a processor gives when it runs again. The new run has them in one
 * or several sequences, which the log has mixed.
 */

/** Most different rows that are remembered, some 100 MB. */
const maxDifferent = 100_000
const maxExamples = 20

export interface StreamDifference {
  readonly stream: string
  /** Rows of both. */
  readonly same: number
  /** Rows that only the new run has, and that only the log has. */
  readonly added: number
  readonly removed: number
  /** There are more: the comparison ended early. */
  readonly isCut: boolean
  /** The first row that differs, counted in the order of the log; null if the rows and, where it is known, their order are the same. */
  readonly firstAt: number | null
  readonly examples: ReadonlyArray<{ readonly kind: "added" | "removed"; readonly row: string }>
}

export interface RowComparison {
  /** The next rows of the log come from these sequences; what is left of the former ones is not in the log. */
  readonly begin: (sequences: ReadonlyArray<Iterator<string>>) => void
  /** A row of the log. False once too many rows differ. */
  readonly kept: (row: string) => boolean
  /** A row of the log that is not compared. */
  readonly passed: () => void
  readonly result: () => StreamDifference
}

/** `spare` are rows that the log may have already, and how many times. */
export const make = (stream: string, spare: ReadonlyMap<string, number> = new Map()): RowComparison => {
  /** Rows of the new run minus rows of the log. */
  const balances = new Map<string, number>()
  const used = new Map<string, number>()
  let sequences: ReadonlyArray<Iterator<string>> = []
  let heads: Array<string | undefined> = []
  let rows = 0
  /** With those that are not compared. */
  let place = 0
  let firstAt: number | null = null
  let isCut = false
  /** Two sequences had the same row next, so that nobody knows which of them the log has. */
  let isAmbiguous = false
  let turn = 0

  const add = (row: string, by: number) => {
    const balance = (balances.get(row) ?? 0) + by
    if (balance === 0) balances.delete(row)
    else balances.set(row, balance)
  }
  const next = (index: number) => {
    const next = sequences[index]?.next()
    return next === undefined || next.done === true ? undefined : next.value
  }
  /** Goes on to the next row of a sequence that the log did not have before its turn. */
  const pull = (index: number) => {
    let head = next(index)
    for (; head !== undefined && (balances.get(head) ?? 0) < 0; head = next(index)) add(head, 1)
    heads[index] = head
  }
  const differ = () => {
    firstAt ??= place
  }
  /** A row that the new run has, and the log does not have here. */
  const skip = () => {
    for (let i = 0; i < heads.length; i++) {
      turn = (turn + 1) % heads.length
      const head = heads[turn]
      if (head === undefined) continue
      add(head, 1)
      pull(turn)
      return
    }
  }
  const takeSpare = (row: string) => {
    const count = used.get(row) ?? 0
    if (count >= (spare.get(row) ?? 0)) return false
    used.set(row, count + 1)
    return true
  }
  const finish = () => {
    for (let index = 0; index < heads.length && !isCut; index++) {
      for (; heads[index] !== undefined && !isCut; pull(index)) {
        differ()
        add(heads[index] ?? "", 1)
        isCut = balances.size > maxDifferent
      }
    }
    for (const sequence of sequences) sequence.return?.()
    heads = []
  }

  return {
    begin: (given) => {
      finish()
      sequences = given
      heads = given.map(() => undefined)
      for (const index of given.keys()) pull(index)
    },
    kept: (row) => {
      const at = heads.indexOf(row)
      if (at >= 0) {
        isAmbiguous ||= heads.indexOf(row, at + 1) >= 0
        pull(at)
      } else if ((balances.get(row) ?? 0) > 0) {
        differ()
        add(row, -1)
      } else if (!takeSpare(row)) {
        differ()
        add(row, -1)
        skip()
      }
      rows++
      place++
      isCut ||= balances.size > maxDifferent
      return !isCut
    },
    passed: () => {
      place++
    },
    result: () => {
      finish()
      let [added, removed] = [0, 0]
      const examples: Array<StreamDifference["examples"][number]> = []
      for (const [row, balance] of balances) {
        const count = balance > 0 ? Math.max(0, balance - (used.get(row) ?? 0)) : balance
        if (count === 0) continue
        if (count > 0) added += count
        else removed -= count
        if (examples.length < maxExamples) examples.push({ kind: count > 0 ? "added" : "removed", row })
      }
      const isSame = added + removed === 0 && isAmbiguous && !isCut
      return { stream, same: rows - removed, added, removed, isCut, firstAt: isSame ? null : firstAt, examples }
    }
  }
}
