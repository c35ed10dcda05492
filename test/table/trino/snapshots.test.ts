import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { snapshotChain } from "../../../layers/table/trino/retention.ts"
import * as Snapshots from "../../../layers/table/trino/snapshots.ts"

const snapshot = (
  id: string,
  parentId: string | null,
  { operation = "append", commit, isCurrent = false }: { operation?: string; commit?: string; isCurrent?: boolean } = {}
): Snapshots.Snapshot => ({
  id,
  parentId,
  committedAt: Number(id),
  operation,
  summary:
    commit === undefined
      ? {}
      : { "kafka.connect.commit-id": commit, "kafka.connect.offsets.control-iceberg.connect-iceberg-sink": '{"0":7}' },
  isCurrent
})
const idsOf = (chain: ReadonlyArray<{ readonly id: string }>) => chain.map(({ id }) => id)
const commitIds = (snapshots: ReadonlyArray<Snapshots.Snapshot>) =>
  [...Snapshots.sinkCommits(snapshots)].map(([id, commit]) => [id, commit.id])

describe("snapshot chain", () => {
  it("given a parent that has expired, when the chain is built, then it ends before that parent", () => {
    assert.deepStrictEqual(idsOf(snapshotChain([snapshot("2", "1"), snapshot("3", "2")], "3")), ["3", "2"])
  })

  it("given a rolled back snapshot, when the chain is built, then it is not in it", () => {
    const all = [snapshot("1", null), snapshot("2", "1"), snapshot("3", "1", { isCurrent: true })]
    assert.deepStrictEqual(idsOf(Snapshots.currentChain(all)), ["3", "1"])
  })

  it("given no current snapshot, when the chain is built, then it is empty", () => {
    assert.deepStrictEqual(Snapshots.currentChain([snapshot("1", null)]), [])
  })
})

describe("commits of the sink", () => {
  const committed = snapshot("1", null, { commit: "a" })

  it("given merges after a commit, when the commits are read, then each merge has that commit", () => {
    const merged = snapshot("2", "1", { operation: "replace" })
    const again = snapshot("3", "2", { operation: "replace" })
    assert.deepStrictEqual(commitIds([again, merged, committed]), [
      ["3", "a"],
      ["2", "a"],
      ["1", "a"]
    ])
  })

  it("given another writer's change, when the commits are read, then it and what follows it have none until the sink commits", () => {
    const other = snapshot("2", "1", { operation: "delete" })
    const merged = snapshot("3", "2", { operation: "replace" })
    const next = snapshot("4", "3", { commit: "b" })
    assert.deepStrictEqual(commitIds([next, merged, other, committed]), [
      ["4", "b"],
      ["1", "a"]
    ])
  })

  it("given other writers after a commit, when the last commit is sought, then it is still the sink's", () => {
    const chain = [snapshot("2", "1", { operation: "delete" }), committed]
    assert.strictEqual(Option.getOrThrow(Snapshots.lastSinkCommit(chain)).id, "a")
    assert.isTrue(Option.isNone(Snapshots.lastSinkCommit([snapshot("1", null)])))
  })
})
