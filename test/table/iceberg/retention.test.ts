/** How large the metadata get, which snapshots of other writers are kept, and how long files that left the table stay. */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import * as LeftFiles from "../../../layers/table/iceberg/LeftFiles.ts"
import * as Metadata from "../../../layers/table/iceberg/Metadata.ts"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import { othersBehind } from "../../../layers/table/iceberg/otherSnapshots.ts"
import * as Snapshots from "../../../layers/table/iceberg/snapshots.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import {
  add,
  assertRows,
  environment,
  filesUnder,
  maintainAll,
  openWriter,
  someRows
} from "../../support/icebergTable.ts"
import * as OtherProgram from "../../support/otherProgram.ts"

const minute = 60_000
const hour = 60 * minute
const week = 7 * 24 * hour

describe("metadata", () => {
  it("stay small once retention is reached, and as small after many more commits", () => {
    const keep = { snapshots: 100, timeTravel: week, metadataFiles: 100 }
    let metadata = Snapshots.firstMetadata("464192cd-0f63-4557-8b27-da45bbf4e089", "/data/warehouse/default/weather")
    let now = 0
    let version = 0
    const commits = (count: number, every: number) => {
      for (let i = 0; i < count; i++) {
        now += every
        const id = BigInt(2 ** 52) + BigInt(++version)
        const list = `/data/warehouse/default/weather/metadata/snap-${id}-464192cd-0f63.avro`
        const progress = {
          logId: "464192cd-0f63-4557-8b27-da45bbf4e089",
          offset: version,
          lastEvent: "0123456789abcdef"
        }
        const change = { operation: "append", added: [], removed: [], progress } as const
        const before = { metadata, name: version === 1 ? undefined : `v${version - 1}.metadata.json` }
        metadata = Snapshots.withSnapshot(before, change, { id, manifestList: list, now }, keep)
      }
      return { snapshots: metadata.snapshots.length, bytes: Metadata.encode(metadata).length }
    }
    commits(400, 30 * minute)
    const full = commits(4000, 1_000)
    assert.isAbove(full.snapshots, 100 + 50 + 160)
    assert.isAtMost(full.snapshots, 100 + 61 + 169)
    assert.isAtMost(full.bytes, 300_000)
    const later = commits(4000, 1_000)
    assert.isAtMost(later.bytes, full.bytes * 1.05)
  })
})

layer(environment)("a snapshot of another writer", (it) => {
  it.effect("is kept for the time travel period, and is known however many snapshots of Floe follow", () =>
    Effect.gen(function* () {
      const tableFolder = join((yield* DataFolder).root, "tables", "others")
      const writer = yield* openWriter({ tableFolder, snapshotKeep: 2, timeTravel: hour })
      const commits = (count: number) => Effect.replicateEffect(add(writer, someRows(1, "a")), count)
      const others = Effect.map(readMetadata(tableFolder), (current) => {
        const { metadata, snapshot } = Option.getOrThrow(current)
        const { cutAt, snapshots } = othersBehind(metadata, snapshot)
        return { ids: snapshots.map((one) => one["snapshot-id"]), isCut: cutAt !== undefined, metadata }
      })
      yield* commits(5)
      assert.deepInclude(yield* others, { ids: [], isCut: false })
      const first = OtherProgram.commit(tableFolder, 5, 6)
      yield* commits(5)
      const second = OtherProgram.commit(tableFolder, 11, 12, { id: 4695896948513303400n })
      yield* commits(5)
      const known = yield* others
      assert.deepInclude(known, { ids: [second, first], isCut: false })
      // The newest two, and each of the others with the one before it.
      assert.strictEqual(known.metadata.snapshots.length, 6)
      yield* TestClock.adjust("2 hours")
      yield* commits(3)
      assert.deepInclude(yield* others, { ids: [], isCut: true })
    })
  )
})

layer(environment)("a file that left the table", (it) => {
  it.effect("stays for its grace period, across restarts, and is then removed", () =>
    Effect.gen(function* () {
      const { root } = yield* DataFolder
      const table = join(root, "tables", "grace")
      const options = { tableFolder: table, snapshotKeep: 1, metadataKeep: 0, fileGrace: hour }
      let rows = someRows(8, "r0")
      let old: ReadonlyArray<string> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter(options)
          yield* add(writer, rows)
          for (let i = 1; i < 9; i++) {
            rows = [...rows, ...someRows(2, `r${i}`)]
            yield* add(writer, rows.slice(-2))
          }
          old = filesUnder(table).filter((path) => path.endsWith(".parquet") || path.endsWith(".avro"))
          yield* maintainAll(writer)
          yield* add(writer, [])
          yield* maintainAll(writer)
          assert.deepStrictEqual(
            old.filter((path) => !existsSync(path)),
            []
          )
        })
      )
      yield* TestClock.adjust("30 minutes")
      yield* Effect.scoped(Effect.flatMap(openWriter(options), maintainAll))
      yield* TestClock.adjust("29 minutes")
      assert.deepStrictEqual(
        old.filter((path) => !existsSync(path)),
        []
      )
      const writer = yield* openWriter(options)
      yield* maintainAll(writer)
      assert.deepStrictEqual(
        old.filter((path) => !existsSync(path)),
        []
      )
      yield* TestClock.adjust("1 minute")
      yield* maintainAll(writer)
      assert.deepStrictEqual(old.filter(existsSync), [])
      yield* assertRows(table, rows)
    })
  )

  it.effect("is not removed early after a reboot, whatever the clock reads, and a torn note does no harm", () =>
    Effect.gen(function* () {
      const tableFolder = yield* temporaryFolder
      const metadata = join(tableFolder, "metadata")
      const { makeFolder } = yield* Effect.promise(() => import("../../../layers/runtime/files.ts"))
      yield* makeFolder(metadata)
      const file = join(tableFolder, "a.parquet")
      writeFileSync(file, "")
      const remove = (boot: string) =>
        Effect.flatMap(LeftFiles.make({ tableFolder, grace: hour, boot }), (left) => left.remove(10, 9, new Set()))
      const first = yield* LeftFiles.make({ tableFolder, grace: hour, boot: "one" })
      yield* first.add([file], 3, 7n)
      writeFileSync(join(metadata, "floe-left-9.ndjson"), '{"boot":"one","si')
      yield* TestClock.adjust("50 minutes")
      assert.deepStrictEqual(yield* remove("two"), [])
      yield* TestClock.adjust("59 minutes")
      assert.deepStrictEqual(yield* remove("two"), [])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* remove("two"), [file])
      assert.deepStrictEqual(filesUnder(tableFolder), [])
    })
  )

  it.effect("stays while an older metadata file names it or a query leases its snapshot", () =>
    Effect.gen(function* () {
      const tableFolder = yield* temporaryFolder
      yield* Effect.promise(async () => (await import("node:fs/promises")).mkdir(join(tableFolder, "metadata")))
      const paths = ["a", "b", "c"].map((name) => join(tableFolder, `${name}.parquet`))
      for (const path of paths) writeFileSync(path, "")
      const left = yield* LeftFiles.make({ tableFolder, grace: 0 })
      yield* left.add(paths.slice(0, 1), 3, 7n)
      yield* left.add(paths.slice(1, 2), 4, 8n)
      yield* left.add(paths.slice(2), 0, undefined)
      assert.deepStrictEqual(yield* left.remove(10, 2, new Set()), paths.slice(2))
      assert.deepStrictEqual(yield* left.remove(10, 9, new Set(["7"])), [])
      assert.deepStrictEqual(yield* left.remove(10, 3, new Set()), paths.slice(0, 1))
      assert.deepStrictEqual(yield* left.remove(10, 9, new Set()), paths.slice(1, 2))
    })
  )
})
