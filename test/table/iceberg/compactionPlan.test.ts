/** Which small files are merged. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { inOnePiece, mergesOf, toCompact } from "../../../layers/table/iceberg/compactionPlan.ts"

const kilobyte = 1024
const megabyte = 1024 * kilobyte

const files = (count: number, bytes: number, rows = 10) => Array.from({ length: count }, () => ({ bytes, rows }))

describe("toCompact", () => {
  const cases = [
    { given: "no files", growing: false, files: [], outcome: "none is merged", merged: 0 },
    { given: "one file", growing: false, files: files(1, kilobyte), outcome: "none is merged", merged: 0 },
    { given: "two files", growing: false, files: files(2, kilobyte), outcome: "both are merged", merged: 2 },
    { given: "seven small files", growing: true, files: files(7, kilobyte), outcome: "none is merged", merged: 0 },
    { given: "eight small files", growing: true, files: files(8, kilobyte), outcome: "all are merged", merged: 8 },
    {
      given: "seven files of each of two size classes",
      growing: true,
      files: [...files(7, kilobyte), ...files(7, 100 * kilobyte)],
      outcome: "none is merged",
      merged: 0
    },
    {
      given: "seven small files and eight of the next size class",
      growing: true,
      files: [...files(7, kilobyte), ...files(8, 100 * kilobyte)],
      outcome: "those of the full class are merged",
      merged: 8
    },
    { given: "200 files", growing: false, files: files(200, kilobyte), outcome: "128 are merged", merged: 128 },
    {
      given: "files of 10 MiB",
      growing: false,
      files: files(9, 10 * megabyte),
      outcome: "as many are merged as 32 MiB hold",
      merged: 3
    },
    {
      given: "files of 300,000 rows",
      growing: false,
      files: files(9, kilobyte, 300_000),
      outcome: "as many are merged as a million rows hold",
      merged: 3
    },
    { given: "files of 20 MiB", growing: false, files: files(4, 20 * megabyte), outcome: "none is merged", merged: 0 }
  ]
  for (const { given, growing, files, outcome, merged } of cases) {
    it(`given ${given}, when the partition ${growing ? "grows" : "is quiet"}, then ${outcome}`, () => {
      assert.strictEqual(toCompact(files, growing).length, merged)
    })
  }
})

describe("inOnePiece", () => {
  it("given partitions that fit together, when a piece is chosen, then it has all of their files", () => {
    assert.strictEqual(inOnePiece([files(2, kilobyte), files(3, kilobyte)]).length, 5)
  })

  it("given partitions that do not fit together, when a piece is chosen, then it has whole partitions only", () => {
    assert.strictEqual(inOnePiece([files(100, kilobyte), files(100, kilobyte)]).length, 100)
  })
})

describe("mergesOf", () => {
  it("given 200 files in a quiet partition, when they are merged in two steps, then one file results", () => {
    assert.deepInclude(mergesOf(files(200, kilobyte), false), { into: 1 })
    assert.strictEqual(mergesOf(files(200, kilobyte), false).merged.length, 200)
  })

  it("given files that are large enough, when they are merged, then none is", () => {
    assert.deepStrictEqual(mergesOf(files(4, 20 * megabyte), false), { merged: [], into: 0 })
  })

  it("given any files, when all merges are done, then each new file replaces at least two files, and each of those counts once", () => {
    const some = fc.array(
      fc.record({
        bytes: fc.oneof(fc.integer({ min: 1, max: megabyte }), fc.integer({ min: 1, max: 40 * megabyte })),
        rows: fc.integer({ min: 1, max: 400_000 })
      }),
      { maxLength: 100 }
    )
    fc.assert(
      fc.property(some, fc.boolean(), (files, growing) => {
        const { into, merged } = mergesOf(files, growing)
        assert.isAtLeast(into, Math.min(1, merged.length))
        assert.isAtMost(into, Math.floor(merged.length / 2))
        assert.strictEqual(new Set(merged).size, merged.length)
        assert.isTrue(merged.every((file) => files.includes(file)))
        if (merged.length === 0) assert.deepStrictEqual(toCompact(files, growing), [])
      })
    )
  })
})
