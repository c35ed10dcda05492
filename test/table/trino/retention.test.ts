import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type Ancestor, expireBefore, expiring, snapshotChain } from "../../../layers/table/trino/retention.ts"

const minute = 60_000

/** A history in which a commit may look up to a minute older than the one before it, and some commits were rolled back. */
const histories = fc
  .array(
    fc.record({ later: fc.integer({ min: -minute, max: 10 * minute }), back: fc.nat({ max: 2 }), fork: fc.nat(9) }),
    {
      minLength: 1,
      maxLength: 60
    }
  )
  .map((commits) => {
    const snapshots: Array<Ancestor> = []
    let committedAt = 1_000_000_000_000
    for (const { later, back, fork } of commits) {
      committedAt += later
      const parent = snapshots.at(fork === 0 ? -1 - back : -1)
      snapshots.push({ id: `${snapshots.length}`, parentId: parent?.id ?? null, committedAt })
    }
    return snapshots
  })

/** What Iceberg's RemoveSnapshots keeps of a table whose only branch is main, according to its source. */
const keptByIceberg = (snapshots: ReadonlyArray<Ancestor>, currentId: string, olderThan: number) => {
  const kept = new Set<string>()
  const ancestors: Array<Ancestor> = []
  for (let id: string | null = currentId; id !== null; ) {
    const ancestor = snapshots.find((snapshot) => snapshot.id === id)
    if (ancestor === undefined) break
    ancestors.push(ancestor)
    id = ancestor.parentId
  }
  for (const { id, committedAt } of ancestors) {
    if (kept.size >= 1 && committedAt < olderThan) break
    kept.add(id)
  }
  const referenced = new Set(ancestors.map(({ id }) => id))
  for (const { id, committedAt } of snapshots) if (!referenced.has(id) && committedAt >= olderThan) kept.add(id)
  return kept
}

describe("snapshots that may expire", () => {
  it("given any history, when snapshots expire, then those to keep stay, and the chain to the sink's offsets", () => {
    const cases = fc.record({
      snapshots: histories,
      keep: fc.integer({ min: 1, max: 40 }),
      withOffsets: fc.nat(70),
      youngFor: fc.integer({ min: 0, max: 400 * minute }),
      trinoAhead: fc.integer({ min: -10 * minute, max: 10 * minute })
    })
    fc.assert(
      fc.property(cases, ({ snapshots, keep, withOffsets, youngFor, trinoAhead }) => {
        const current = snapshots.at(-1)
        if (current === undefined) return
        const chain = snapshotChain(snapshots, current.id)
        const needed = withOffsets < chain.length ? withOffsets + 1 : 0
        const young = current.committedAt + trinoAhead - youngFor
        const before = expireBefore(chain, { keep, needed, young })
        const kept = keptByIceberg(snapshots, current.id, before)
        for (const { id } of chain.slice(0, Math.max(keep, needed))) assert.isTrue(kept.has(id))
        for (const { id, committedAt } of chain) if (committedAt >= young) assert.isTrue(kept.has(id))
        assert.deepStrictEqual(
          expiring(snapshots, chain, before).map(({ id }) => id),
          snapshots.map(({ id }) => id).filter((id) => !kept.has(id))
        )
      }),
      { numRuns: 2_000 }
    )
  })

  it("given commits a minute apart, when snapshots expire, then all but those to keep go", () => {
    const snapshots = Array.from({ length: 10 }, (_, i) => ({
      id: `${i}`,
      parentId: i === 0 ? null : `${i - 1}`,
      committedAt: i * minute
    }))
    const chain = snapshotChain(snapshots, "9")
    const expired = (keep: number, needed: number, young: number) =>
      expiring(snapshots, chain, expireBefore(chain, { keep, needed, young })).length
    assert.strictEqual(expired(3, 0, 60 * minute), 7)
    assert.strictEqual(expired(3, 5, 60 * minute), 5)
    assert.strictEqual(expired(3, 0, 2 * minute), 2)
    assert.strictEqual(expired(100, 0, 60 * minute), 0)
  })
})
