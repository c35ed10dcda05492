import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { Step } from "../../../layers/table/iceberg/commitMetadata.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { hourOf } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import {
  add,
  assertRows,
  diskFull,
  environment,
  filesUnder,
  hour,
  maintainAll,
  metadataFile,
  namedFiles,
  openWriter,
  someRows,
  tableFiles
} from "../../support/icebergTable.ts"
import { listSnapshots, readTable } from "../../support/readTable.ts"

const steps: ReadonlyArray<Step> = ["written", "durable", "linked", "hinted"]

const tableOf = Effect.map(DataFolder, (folder) => folder.table)

layer(environment)("a commit", (it) => {
  it.effect("makes rows and progress visible together, and durable", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter()
          assert.deepStrictEqual(yield* writer.committed, Option.none())
          yield* writer.stage(someRows(3, "Oslo"))
          yield* writer.stage(someRows(2, "Lima"))
          assert.strictEqual(yield* writer.staged, 5)
          assert.deepStrictEqual(yield* readTable(table), Option.none())
          const committed = yield* writer.commit({ logId: "log-1", offset: 5 })
          assert.deepStrictEqual(Option.some(committed), yield* writer.committed)
          assert.strictEqual(yield* writer.staged, 0)
        })
      )
      const writer = yield* openWriter()
      const committed = Option.getOrThrow(yield* writer.committed)
      assert.deepStrictEqual(committed.progress, { logId: "log-1", offset: 5 })
      const seen = Option.getOrThrow(yield* readTable(table))
      assert.deepStrictEqual(seen.progress, { logId: "log-1", offset: 5 })
      assert.strictEqual(seen.snapshotId, committed.snapshotId)
      assert.strictEqual(seen.version, committed.version)
      assert.isTrue(seen.snapshotIds.has(committed.snapshotId))
      yield* assertRows(table, [...someRows(3, "Oslo"), ...someRows(2, "Lima")])
    })
  )

  it.effect("without rows advances only the progress", () =>
    Effect.gen(function* () {
      const writer = yield* openWriter()
      const committed = yield* writer.commit({ logId: "log-1", offset: 9 })
      assert.deepStrictEqual([committed.progress.offset, committed.rows, committed.files], [9, 5, 1])
      yield* assertRows(yield* tableOf, [...someRows(3, "Oslo"), ...someRows(2, "Lima")])
      const [newest, before] = yield* listSnapshots(yield* tableOf)
      assert.deepStrictEqual([newest?.progress?.offset, before?.progress?.offset], [9, 5])
    })
  )
})

layer(environment)("a crash of the writer", (it) => {
  it.effect(
    "at any step of a commit leaves the old snapshot or the new one, from which the next writer continues",
    () =>
      Effect.gen(function* () {
        const table = yield* tableOf
        const copies = yield* temporaryFolder
        const [old, fresh] = [someRows(20, "old"), someRows(30, "new")]
        let copying = false
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* openWriter({
              failpoint: (step) => Effect.sync(() => copying && cpSync(table, join(copies, step), { recursive: true }))
            })
            yield* add(writer, old)
            copying = true
            yield* add(writer, fresh)
          })
        )
        const outcome = yield* Effect.forEach(
          steps,
          Effect.fnUntraced(function* (step) {
            rmSync(table, { recursive: true })
            renameSync(join(copies, step), table)
            writeFileSync(join(table, "metadata", "00000000-0000-v1.tmp"), '{"format-version": 2, "table-')
            const writer = yield* openWriter()
            const committed = Option.getOrThrow(yield* writer.committed)
            const isNew = committed.progress.offset === 50
            const rows = isNew ? [...old, ...fresh] : old
            assert.strictEqual(committed.rows, rows.length)
            const next = someRows(7, "next")
            yield* add(writer, next)
            yield* assertRows(table, [...rows, ...next])
            yield* maintainAll(writer)
            assert.deepStrictEqual(tableFiles(table), namedFiles(table))
            yield* assertRows(table, [...rows, ...next])
            return isNew ? "new" : "old"
          }, Effect.scoped)
        )
        assert.deepStrictEqual(outcome, ["old", "old", "new", "new"])
      })
  )

  it.effect("that leaves the newest metadata torn restores the version before", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      const { version } = Option.getOrThrow(yield* readTable(table))
      const before = Option.getOrThrow(yield* readTable(table)).progress?.offset
      yield* Effect.scoped(Effect.flatMap(openWriter(), (writer) => add(writer, someRows(4, "lost"))))
      truncateSync(metadataFile(table, version + 1), 100)
      const writer = yield* openWriter()
      const committed = Option.getOrThrow(yield* writer.committed)
      assert.deepStrictEqual([committed.version, committed.progress.offset], [version, before])
      assert.strictEqual(Option.getOrThrow(yield* readTable(table)).version, version)
      const next = yield* add(writer, someRows(4, "again"))
      assert.strictEqual(next.version, version + 2)
      assert.strictEqual(next.rows, committed.rows + 4)
      assert.strictEqual(Option.getOrThrow(yield* readTable(table)).version, version + 2)
    })
  )
})

layer(environment)("a commit that fails", (it) => {
  it.effect("makes nothing visible, and the next commit has its rows", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      let failing: Step | undefined
      const writer = yield* openWriter({
        failpoint: (step) => (step === failing ? Effect.fail(diskFull) : Effect.void)
      })
      yield* add(writer, someRows(10, "first"))
      let rows = someRows(10, "first")
      for (const step of steps.slice(0, 3)) {
        const before = filesUnder(join(table, "metadata"))
        failing = step
        const more = someRows(5, step)
        yield* writer.stage(more)
        const error = yield* Effect.flip(writer.commit({ logId: "a-log", offset: rows.length + 5 }))
        assert.strictEqual(error._tag, "TableUnavailable")
        assert.strictEqual(yield* writer.staged, 5)
        assert.deepStrictEqual(filesUnder(join(table, "metadata")), before)
        yield* assertRows(table, rows)
        failing = undefined
        rows = [...rows, ...more, ...someRows(2, `after ${step}`)]
        yield* writer.stage(someRows(2, `after ${step}`))
        const committed = yield* writer.commit({ logId: "a-log", offset: rows.length })
        assert.deepStrictEqual([committed.rows, committed.progress.offset], [rows.length, rows.length])
        assert.strictEqual(yield* writer.staged, 0)
        yield* assertRows(table, rows)
      }
    })
  )

  it.effect("while it writes Parquet also keeps the rows staged", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      const writer = yield* openWriter()
      const { rows } = Option.getOrThrow(yield* writer.committed)
      const inTheWay = join(table, "data", "ts=2026-01-08-23")
      writeFileSync(inTheWay, "")
      yield* writer.stage([...someRows(5, "other", "2026-01-08-22"), ...someRows(5, "late", "2026-01-08-23")])
      const error = yield* Effect.flip(writer.commit({ logId: "a-log", offset: 1000 }))
      assert.deepStrictEqual([error._tag, yield* writer.staged], ["TableUnavailable", 10])
      assert.deepStrictEqual(filesUnder(join(table, "data", "ts=2026-01-08-22")), [])
      rmSync(inTheWay)
      const committed = yield* writer.commit({ logId: "a-log", offset: 1000 })
      assert.strictEqual(committed.rows, rows + 10)
    })
  )

  it.effect("because the next version cannot be read names that file", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      const writer = yield* openWriter()
      const committed = Option.getOrThrow(yield* writer.committed)
      const foreign = metadataFile(table, committed.version + 1)
      writeFileSync(foreign, "someone else's")
      yield* writer.stage(someRows(5, "mine"))
      const error = yield* Effect.flip(writer.commit({ logId: "a-log", offset: 2000 }))
      assert.strictEqual(error._tag, "TableBroken")
      assert.include(error.message, foreign)
      assert.strictEqual(yield* writer.staged, 5)
      assert.strictEqual(yield* Effect.sync(() => existsSync(foreign)), true)
      assert.include((yield* Effect.flip(readTable(table))).message, `${foreign} cannot be read`)
      assert.isTrue(readdirSync(join(table, "metadata")).every((name) => !name.endsWith(".tmp")))
    })
  )
})

layer(environment)("staging more than a piece holds", (it) => {
  it.effect("writes Parquet before the commit, invisible until then", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      const writer = yield* openWriter()
      const rows = someRows(100_000, "many")
      for (let i = 0; i < 6; i++) yield* writer.stage(rows)
      assert.strictEqual(yield* writer.staged, 600_000)
      assert.strictEqual(filesUnder(join(table, "data", `ts=${hour}`)).length, 1)
      assert.deepStrictEqual(yield* readTable(table), Option.none())
      const committed = yield* writer.commit({ logId: "a-log", offset: 600_000 })
      assert.deepStrictEqual([committed.rows, committed.files], [600_000, 2])
    })
  )
})

layer(environment)("staging more partitions than fit into memory at once", (it) => {
  const hours = Array.from({ length: 1200 }, (_, i) => hourOf(i * 3_600_000))
  const rows = hours.flatMap((ts) => someRows(3, "rare", ts))

  it.effect("commits one file per partition", () =>
    Effect.gen(function* () {
      const writer = yield* openWriter()
      const committed = yield* add(writer, rows)
      assert.deepStrictEqual([committed.rows, committed.files], [rows.length, hours.length])
      assert.strictEqual(yield* writer.staged, 0)
      yield* assertRows(yield* tableOf, rows)
    })
  )

  it.effect("leaves no file if one partition cannot be written", () =>
    Effect.gen(function* () {
      const { warehouse } = yield* DataFolder
      const other = join(warehouse, "other")
      const writer = yield* openWriter({ tableFolder: other })
      yield* writer.stage(rows)
      const inTheWay = join(other, "data", `ts=${hours.at(-1)}`)
      writeFileSync(inTheWay, "")
      const error = yield* Effect.flip(writer.commit({ logId: "a-log", offset: 1 }))
      assert.deepStrictEqual([error._tag, yield* writer.staged], ["TableUnavailable", rows.length])
      assert.deepStrictEqual(filesUnder(join(other, "data")), [inTheWay])
    })
  )
})

layer(environment)("a second table", (it) => {
  it.effect("is written beside the first", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      const other = join(folder.warehouse, "default", "it's [another] tåble*")
      mkdirSync(other, { recursive: true })
      yield* add(yield* openWriter(), someRows(5, "first"))
      yield* add(yield* openWriter({ tableFolder: other }), someRows(6, "second"))
      yield* assertRows(folder.table, someRows(5, "first"))
      yield* assertRows(other, someRows(6, "second"))
    })
  )
})
