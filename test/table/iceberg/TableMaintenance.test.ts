import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import {
  add,
  assertRows,
  environment,
  filesUnder,
  hour,
  maintainAll,
  namedFiles,
  openWriter,
  readAvro,
  someRows,
  tableFiles
} from "../../support/icebergTable.ts"
import { icebirdRows, sorted } from "../../support/icebirdReader.ts"
import { listSnapshots, readTable } from "../../support/readTable.ts"

const tableOf = Effect.map(DataFolder, (folder) => folder.table)

const currentFiles = (table: string) =>
  Effect.map(readTable(table), (read) => (Option.isSome(read) ? read.value.files.map((file) => file.path) : []))

/** Nothing is on the disk but what some metadata file there names. */
const assertTidy = (table: string) => Effect.sync(() => assert.deepStrictEqual(tableFiles(table), namedFiles(table)))

layer(environment)("compaction", (it) => {
  it.effect("merges files of one size class in a growing partition, and all small files in a quiet one", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      const writer = yield* openWriter()
      let rows: ReadonlyArray<WeatherRecord> = []
      for (let i = 0; i < 20; i++) {
        const more = [...someRows(3, `a${i}`), ...someRows(2, `b${i}`, "2026-01-08-15")]
        rows = [...rows, ...more]
        yield* add(writer, more)
        if (i === 6) assert.strictEqual((yield* maintainAll(writer)).filesCompacted, 0)
        if (i === 7) {
          const done = yield* writer.maintain
          assert.deepStrictEqual([done.filesCompacted, done.filesWritten], [16, 2])
          yield* assertRows(table, rows)
        }
      }
      const before = Option.getOrThrow(yield* writer.committed)
      assert.isAbove(before.files, 2)
      yield* TestClock.adjust("10 minutes")
      yield* maintainAll(writer)
      const after = Option.getOrThrow(yield* writer.committed)
      assert.deepStrictEqual([after.files, after.rows], [2, rows.length])
      assert.deepStrictEqual(after.progress, before.progress)
      yield* assertRows(table, rows)
      const [newest] = yield* listSnapshots(table)
      assert.deepStrictEqual([newest?.operation, newest?.rows], ["replace", rows.length])
    })
  )

  it.effect("runs beside commits, and commits its result on top of them", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      const other = join(folder.warehouse, "beside")
      const merged = yield* Deferred.make<void>()
      const proceed = yield* Deferred.make<void>()
      let holding = false
      const writer = yield* openWriter({
        tableFolder: other,
        failpoint: (step) =>
          holding && step === "written"
            ? Effect.andThen(Deferred.succeed(merged, undefined), Deferred.await(proceed))
            : Effect.void
      })
      let rows: ReadonlyArray<WeatherRecord> = []
      for (let i = 0; i < 8; i++) {
        rows = [...rows, ...someRows(3, `a${i}`)]
        yield* add(writer, someRows(3, `a${i}`))
      }
      holding = true
      const maintenance = yield* Effect.forkChild(writer.maintain)
      yield* Deferred.await(merged)
      holding = false
      yield* writer.stage(someRows(4, "beside"))
      const commit = yield* Effect.forkChild(writer.commit({ logId: "a-log", offset: 28 }))
      yield* Deferred.succeed(proceed, undefined)
      assert.strictEqual((yield* Fiber.join(maintenance)).filesCompacted, 8)
      assert.deepStrictEqual((yield* Fiber.join(commit)).progress.offset, 28)
      rows = [...rows, ...someRows(4, "beside")]
      yield* assertRows(other, rows)
      assert.strictEqual(Option.getOrThrow(yield* writer.committed).files, 2)
    })
  )

  it.effect("leaves the table unchanged or merged, and no other file, when it is interrupted", () =>
    Effect.gen(function* () {
      const other = join((yield* DataFolder).warehouse, "interrupted")
      const writer = yield* openWriter({ tableFolder: other })
      let rows: ReadonlyArray<WeatherRecord> = []
      for (let i = 0; i < 8; i++) {
        rows = [...rows, ...someRows(3000, `a${i}`)]
        yield* add(writer, someRows(3000, `a${i}`))
      }
      const files = filesUnder(join(other, "data")).length
      for (const until of ["at once", "a merged file is there"]) {
        const maintenance = yield* Effect.forkChild(writer.maintain)
        yield* Effect.promise(() => setImmediate())
        while (until !== "at once" && filesUnder(join(other, "data")).length === files && !maintenance.pollUnsafe()) {
          yield* Effect.promise(() => setImmediate())
        }
        yield* Fiber.interrupt(maintenance)
        assert.deepStrictEqual(tableFiles(other), namedFiles(other))
      }
      yield* maintainAll(writer)
      assert.strictEqual(Option.getOrThrow(yield* writer.committed).files, 1)
      yield* assertRows(other, rows)
    })
  )

  it.effect("keeps the sequence numbers by which readers apply deletes", () =>
    Effect.gen(function* () {
      const other = join((yield* DataFolder).warehouse, "sequence")
      const writer = yield* openWriter({ tableFolder: other })
      for (let i = 0; i < 8; i++) yield* add(writer, someRows(1, `a${i}`))
      yield* writer.maintain
      yield* add(writer, someRows(1, "after"))
      const { version } = Option.getOrThrow(yield* writer.committed)
      const entries = namedFiles(other, version)
        .filter((path) => /-m\d+\.avro$/.test(path))
        .flatMap((path) => readAvro(path).records.map((record) => [path, record] as const))
      const ofStatus = (status: number) => entries.filter(([, record]) => record.status === status)
      assert.deepStrictEqual(
        ofStatus(2).map(([, record]) => record.sequence_number),
        [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]
      )
      const compacted = ofStatus(1).filter(([, record]) => record.sequence_number !== undefined)
      assert.deepStrictEqual(
        compacted.map(([, record]) => record.sequence_number),
        [8n]
      )
    })
  )

  it.effect("leaves files with fewer rows than their manifests record unchanged", () =>
    Effect.gen(function* () {
      const other = join((yield* DataFolder).warehouse, "fewer")
      const writer = yield* openWriter({ tableFolder: other })
      for (let i = 0; i < 8; i++) yield* add(writer, someRows(i + 1, `a${i}`))
      const files = Option.getOrThrow(yield* readTable(other)).files
      const [small, large] = [files.find((file) => file.rows === 1), files.find((file) => file.rows === 8)]
      cpSync(small?.path ?? "", large?.path ?? "")
      const before = filesUnder(other)
      const error = yield* Effect.flip(writer.maintain)
      assert.strictEqual(error._tag, "TableBroken")
      assert.deepStrictEqual(filesUnder(other), before)
      assert.strictEqual(Option.getOrThrow(yield* writer.committed).rows, 36)
    })
  )
})

layer(environment)("expiry", (it) => {
  it.effect(
    "keeps the newest snapshots with their files and metadata, and removes the files that only older ones needed",
    () =>
      Effect.gen(function* () {
        const table = yield* tableOf
        const writer = yield* openWriter({ snapshotKeep: 4 })
        let rows: ReadonlyArray<WeatherRecord> = []
        const rowsAt = new Map<string, ReadonlyArray<WeatherRecord>>()
        const note = Effect.gen(function* () {
          rowsAt.set(Option.getOrThrow(yield* writer.committed).snapshotId, rows)
        })
        let expired = 0
        // The first eight files are merged, then each seven more with the merged one: the last time after 29.
        for (let i = 0; i < 29; i++) {
          rows = [...rows, ...someRows(2, `r${i}`, hour)]
          yield* add(writer, rows.slice(-2))
          yield* note
          expired += (yield* writer.maintain).snapshotsExpired
          yield* note
        }
        expired += (yield* maintainAll(writer)).snapshotsExpired
        const snapshots = yield* listSnapshots(table)
        assert.strictEqual(snapshots.length, 4)
        assert.strictEqual(expired, rowsAt.size - 4)
        assert.isTrue(snapshots.some((snapshot) => snapshot.operation === "replace"))
        for (const { snapshotId } of snapshots) {
          assert.deepStrictEqual(
            sorted(yield* icebirdRows(table, { snapshotId })),
            sorted(rowsAt.get(snapshotId) ?? []),
            `at snapshot ${snapshotId}`
          )
        }
        yield* assertTidy(table)
        yield* assertRows(table, rows)
      })
  )

  it.effect("needs no commit when fewer snapshots are to be kept than before", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      const rows = yield* icebirdRows(table)
      const writer = yield* openWriter({ snapshotKeep: 1 })
      assert.strictEqual((yield* maintainAll(writer)).snapshotsExpired, 3)
      assert.strictEqual((yield* listSnapshots(table)).length, 1)
      yield* assertTidy(table)
      yield* assertRows(table, rows)
    })
  )

  it.effect("waits for the lease of a running query", () =>
    Effect.gen(function* () {
      const table = join((yield* DataFolder).warehouse, "leased")
      const leases = yield* Leases
      const writer = yield* openWriter({ tableFolder: table, snapshotKeep: 2 })
      for (let i = 0; i < 7; i++) yield* add(writer, someRows(2, `a${i}`))
      yield* maintainAll(writer)
      const query = yield* Scope.make()
      const { snapshotId, version } = Option.getOrThrow(yield* readTable(table))
      yield* leases.hold(String(snapshotId)).pipe(Scope.provide(query))
      const leased = yield* currentFiles(table)
      const rows = yield* icebirdRows(table)
      for (let i = 0; i < 12; i++) {
        yield* add(writer, someRows(2, `b${i}`))
        yield* maintainAll(writer)
      }
      assert.isFalse(Option.getOrThrow(yield* readTable(table)).snapshotIds.has(snapshotId))
      assert.isTrue(leased.every((path) => existsSync(path)))
      assert.isAbove((yield* currentFiles(table)).length, 0)
      assert.isFalse(
        (yield* currentFiles(table)).some((path) => leased.includes(path)),
        "they were merged away"
      )

      // A writer that starts while the query runs must not take them for orphans.
      const second = yield* Effect.scoped(
        Effect.flatMap(openWriter({ tableFolder: table, snapshotKeep: 2 }), maintainAll)
      )
      assert.strictEqual(second.filesRemoved, 0)
      assert.isTrue(leased.every((path) => existsSync(path)))
      assert.strictEqual(rows.length, 14)

      yield* Scope.close(query, yield* Effect.exit(Effect.void))
      assert.isAbove((yield* maintainAll(writer)).filesRemoved, 0)
      assert.isFalse(leased.some((path) => existsSync(path)))
      assert.isFalse(existsSync(join(table, "metadata", `v${version}.metadata.json`)))
      yield* assertTidy(table)
    })
  )
})

layer(environment)("orphans", (it) => {
  it.effect("are removed by the next writer, and no other file is", () =>
    Effect.gen(function* () {
      const table = yield* tableOf
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter()
          yield* add(writer, someRows(5, "kept"))
          yield* add(writer, someRows(5, "kept too"))
        })
      )
      const [file] = yield* currentFiles(table)
      const orphans = [
        join(dirname(file ?? ""), "00000000-0000-0000.parquet"),
        join(table, "data", "ts=2020-01-01-00", "00000000-0000-0000.parquet"),
        join(table, "metadata", "00000000-0000-m7.avro"),
        join(table, "metadata", "snap-77-00000000-0000.avro"),
        join(table, "metadata", "00000000-0000-v3.tmp")
      ]
      const foreign = [join(table, "data", "README"), join(table, "metadata", "notes.txt")]
      for (const path of [...orphans, ...foreign]) {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, "")
      }
      const writer = yield* openWriter()
      yield* add(writer, someRows(5, "new"))
      assert.strictEqual((yield* maintainAll(writer)).filesRemoved, orphans.length)
      assert.deepStrictEqual(tableFiles(table), [...namedFiles(table), ...foreign].sort())
      assert.isFalse(existsSync(join(table, "data", "ts=2020-01-01-00")))
      yield* assertRows(table, [...someRows(5, "kept"), ...someRows(5, "kept too"), ...someRows(5, "new")])
    })
  )
})

layer(environment)("a long life", (it) => {
  it.effect(
    "of many commits leaves few files",
    () =>
      Effect.gen(function* () {
        const table = yield* tableOf
        const writer = yield* openWriter({ snapshotKeep: 20 })
        for (let i = 0; i < 300; i++) {
          yield* add(writer, someRows(1, `r${i}`))
          if (i % 4 === 3) yield* writer.maintain
        }
        const { rows, files } = Option.getOrThrow(yield* writer.committed)
        assert.strictEqual(rows, 300)
        assert.isAtMost(files, 7 * 2 + 8)
        assert.strictEqual((yield* icebirdRows(table)).length, 300)
        yield* maintainAll(writer)
        yield* assertTidy(table)
        const metadata = filesUnder(join(table, "metadata"))
        assert.isAtMost(metadata.length, 6 * 20)
      }),
    60_000
  )

  it.effect("of commits without maintenance leaves few manifests", () =>
    Effect.gen(function* () {
      const table = join((yield* DataFolder).warehouse, "no maintenance")
      const writer = yield* openWriter({ tableFolder: table, snapshotKeep: 3 })
      for (let i = 0; i < 100; i++) yield* add(writer, someRows(1, `r${i}`))
      const { version } = Option.getOrThrow(yield* writer.committed)
      const manifests = namedFiles(table, version).filter((path) => /-m\d+\.avro$/.test(path))
      assert.isAtMost(manifests.length, 15 + 6 + 3)
      assert.strictEqual((yield* icebirdRows(table)).length, 100)
    })
  )
})
