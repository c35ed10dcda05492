import { assert, it } from "@effect/vitest"
import fc from "fast-check"
import * as RowComparison from "../../layers/process/RowComparison.ts"

const rows = fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 12 })

const counted = (all: ReadonlyArray<string>) => {
  const counts = new Map<string, number>()
  for (const row of all) counts.set(row, (counts.get(row) ?? 0) + 1)
  return (row: string) => counts.get(row) ?? 0
}

const compare = (
  log: ReadonlyArray<string>,
  sequences: ReadonlyArray<ReadonlyArray<string>>,
  spare: ReadonlyArray<string> = []
) => {
  const countOf = counted(spare)
  const comparison = RowComparison.make("s", new Map(spare.map((row) => [row, countOf(row)])))
  comparison.begin(sequences.map((one) => one.values()))
  for (const row of log) comparison.kept(row)
  return comparison.result()
}

it("counts what the log lacks and what it has too much of, in whatever order and mixture", () => {
  fc.assert(
    fc.property(rows, fc.array(rows, { minLength: 1, maxLength: 3 }), rows, (log, sequences, spare) => {
      const { added, removed, same } = compare(log, sequences, spare)
      const [inLog, wanted, possible] = [counted(log), counted(sequences.flat()), counted(spare)]
      const names = [..."abcde"]
      const sum = (of: (row: string) => number) => names.reduce((total, row) => total + Math.max(0, of(row)), 0)
      assert.strictEqual(
        added,
        sum((row) => wanted(row) - inLog(row))
      )
      assert.strictEqual(
        removed,
        sum((row) => inLog(row) - wanted(row) - possible(row))
      )
      assert.strictEqual(same, log.length - removed)
    })
  )
})

/** A mixture of the sequences that keeps the order of each, by random choices. */
const mixed = (sequences: ReadonlyArray<ReadonlyArray<string>>, choices: ReadonlyArray<number>) => {
  const left = sequences.map((one) => [...one])
  const log: Array<string> = []
  for (let i = 0; left.some(({ length }) => length > 0); i++) {
    const open = left.filter(({ length }) => length > 0)
    log.push(open[(choices[i] ?? 0) % open.length]?.shift() ?? "")
  }
  return log
}

it("finds nothing in any mixture of the sequences", () => {
  const choices = fc.array(fc.nat(), { maxLength: 40 })
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 3 }), rows, choices, (sequences, spare, choices) => {
      const { added, firstAt, removed } = compare([...mixed(sequences, choices), ...spare], sequences, spare)
      assert.deepStrictEqual([added, removed, firstAt], [0, 0, null])
    })
  )
})

it("notices another order in one sequence, and in several whose rows differ", () => {
  assert.strictEqual(compare(["a", "c", "b"], [["a", "b", "c"]]).firstAt, 1)
  assert.strictEqual(
    compare(
      ["a", "x", "c", "b", "y"],
      [
        ["a", "b", "c"],
        ["x", "y"]
      ]
    ).firstAt,
    2
  )
  assert.strictEqual(
    compare(
      ["a", "x", "b", "c", "y"],
      [
        ["a", "b", "c"],
        ["x", "y"]
      ]
    ).firstAt,
    null
  )
})

it("counts the place of the first difference with the rows that are not compared", () => {
  const comparison = RowComparison.make("s")
  comparison.begin([["a", "b"].values()])
  for (let i = 0; i < 3; i++) comparison.passed()
  for (const row of ["a", "c"]) comparison.kept(row)
  comparison.passed()
  assert.deepInclude(comparison.result(), { same: 1, added: 1, removed: 1, firstAt: 4 })
})

it("shows 20 rows that differ, and ends where more than 100,000 do", () => {
  const rowsOf = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n}`)
  const { examples, ...some } = compare(rowsOf("a", 15), [rowsOf("b", 15)])
  assert.deepInclude(some, { added: 15, removed: 15, isCut: false, firstAt: 0 })
  assert.lengthOf(examples, 20)
  const comparison = RowComparison.make("s")
  comparison.begin([rowsOf("b", 200_000).values()])
  const last = rowsOf("a", 200_000).findIndex((row) => !comparison.kept(row))
  // Each step has one row that only the log has, and one that only the new run has.
  assert.strictEqual(last, 50_000)
  assert.isTrue(comparison.result().isCut)
})

it("remembers few rows when the log lacks one of many", () => {
  const count = 120_000
  const numbers = Array.from({ length: count }, (_, n) => n)
  const sequences = ["a", "b", "c"].map((name) => numbers.map((n) => `${name}${n}`))
  for (const log of [sequences.flat(), numbers.flatMap((n) => [`a${n}`, `b${n}`, `c${n}`])]) {
    const withoutOne = log.filter((row) => row !== "b7")
    const expected = {
      stream: "s",
      same: 3 * count - 1,
      added: 1,
      removed: 0,
      isCut: false,
      firstAt: log.indexOf("b8") - 1
    }
    assert.deepStrictEqual(compare(withoutOne, sequences), { ...expected, examples: [{ kind: "added", row: "b7" }] })
  }
})
