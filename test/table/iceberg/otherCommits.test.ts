/** Commits of other programs are taken up; one of Floe's that is gone is done again. */
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import type { Step } from "../../../layers/table/iceberg/commitMetadata.ts"
import * as Metadata from "../../../layers/table/iceberg/Metadata.ts"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import {
  add,
  assertRows,
  diskFull,
  environment,
  filesUnder,
  maintainAll,
  metadataFile,
  namedFiles,
  openWriter,
  someRows
} from "../../support/icebergTable.ts"
import * as OtherProgram from "../../support/otherProgram.ts"
import { readTable } from "../../support/readTable.ts"

const tableIn = (name: string) => Effect.map(DataFolder, ({ root }) => join(root, "tables", name))

const progressIn = (table: string) => Effect.map(readTable(table), (found) => Option.getOrThrow(found).progress)

layer(environment)("a commit of another program", (it) => {
  it.effect("is taken up: Floe's next one goes on from it, with its snapshot and 64-bit id", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("taken-up")
      const writer = yield* openWriter({ tableFolder: table })
      yield* add(writer, someRows(3, "before"))
      const id = OtherProgram.commit(table, 1, 2)
      const { version } = yield* add(writer, someRows(4, "behind"))
      assert.strictEqual(version, 3)
      yield* assertRows(table, [...someRows(3, "before"), ...someRows(4, "behind")])
      const { metadata, snapshot } = Option.getOrThrow(yield* readMetadata(table))
      assert.strictEqual(snapshot["parent-snapshot-id"], id)
      assert.include(readFileSync(metadataFile(table, 3), "utf8"), '"parent-snapshot-id":4695896948513303399,')
      assert.isTrue(metadata.snapshots.some((one) => one["snapshot-id"] === id))
      assert.deepStrictEqual(
        metadata.snapshots.map((one) => one["sequence-number"]),
        [1, 2, 3]
      )
    })
  )

  it.effect("that comes between the look and the link makes Floe begin again on it", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("race")
      let race = false
      const writer = yield* openWriter({
        tableFolder: table,
        failpoint: (step) =>
          Effect.sync(() => {
            if (step === "durable" && race) OtherProgram.commit(table, 1, 2)
            if (step === "durable") race = false
          })
      })
      yield* add(writer, someRows(3, "before"))
      race = true
      const { version } = yield* add(writer, someRows(4, "late"))
      assert.strictEqual(version, 3)
      const { snapshot } = Option.getOrThrow(yield* readMetadata(table))
      assert.strictEqual(snapshot["parent-snapshot-id"], 4695896948513303399n)
      yield* assertRows(table, [...someRows(3, "before"), ...someRows(4, "late")])
      assert.deepStrictEqual(
        filesUnder(table).filter((path) => path.endsWith(".tmp")),
        []
      )
    })
  )

  for (const [how, to] of [
    ["over Floe's own version", 2],
    ["over Floe's own version, and the next one", 3]
  ] as const) {
    it.effect(`that was renamed ${how} takes a commit of Floe's away: what was staged is to be read again`, () =>
      Effect.gen(function* () {
        const table = yield* tableIn(`renamed-${to}`)
        const writer = yield* openWriter({ tableFolder: table })
        yield* add(writer, someRows(3, "first"))
        yield* add(writer, someRows(4, "gone"))
        for (let version = 2; version <= to; version++) {
          OtherProgram.commit(table, version - 1, version, { id: 4695896948513303399n + BigInt(version) })
        }
        yield* writer.stage(someRows(5, "staged"))
        const error = yield* Effect.flip(writer.commit({ logId: "a-log", offset: 12 }))
        assert.strictEqual(error._tag, "TableChanged")
        assert.include(error.message, "up to offset 3, where Floe had committed it up to 7")
        assert.strictEqual(yield* writer.staged, 0)
        assert.deepStrictEqual(Option.getOrThrow(yield* writer.committed).progress, { logId: "a-log", offset: 3 })
        yield* add(writer, [...someRows(4, "gone"), ...someRows(5, "staged")])
        yield* assertRows(table, [...someRows(3, "first"), ...someRows(4, "gone"), ...someRows(5, "staged")])
      })
    )
  }

  it.effect("is noticed without anything to commit", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("noticed")
      const writer = yield* openWriter({ tableFolder: table })
      yield* add(writer, someRows(3, "first"))
      yield* add(writer, someRows(4, "gone"))
      yield* writer.refresh
      OtherProgram.commit(table, 1, 2)
      assert.strictEqual((yield* Effect.flip(writer.refresh))._tag, "TableChanged")
      yield* writer.refresh
    })
  )

  it.effect("that is there when a sync fails is not removed with Floe's own", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("sync")
      let failing: Step | undefined
      const writer = yield* openWriter({
        tableFolder: table,
        failpoint: (step) =>
          Effect.suspend(() => {
            if (step !== failing) return Effect.void
            OtherProgram.commit(table, 1, 2)
            return Effect.fail(diskFull)
          })
      })
      yield* add(writer, someRows(3, "before"))
      failing = "linked"
      yield* writer.stage(someRows(4, "late"))
      yield* Effect.flip(writer.commit({ logId: "a-log", offset: 7 }))
      assert.strictEqual(OtherProgram.read(table, 2)["current-snapshot-id"], 4695896948513303399n)
      failing = undefined
      assert.strictEqual((yield* writer.commit({ logId: "a-log", offset: 7 })).version, 3)
      yield* assertRows(table, [...someRows(3, "before"), ...someRows(4, "late")])
    })
  )

  for (const noted of [true, false]) {
    it.effect(`keeps the files of a snapshot that Floe had expired (${noted ? "" : "not yet "}noted)`, () =>
      Effect.gen(function* () {
        const table = yield* tableIn(`back-${noted}`)
        const writer = yield* openWriter({ tableFolder: table, snapshotKeep: 1, metadataKeep: 0, fileGrace: 60_000 })
        yield* add(writer, someRows(3, "first"))
        const first = readFileSync(metadataFile(table, 1))
        yield* add(writer, someRows(4, "gone"))
        if (noted) yield* maintainAll(writer)
        writeFileSync(metadataFile(table, 1), first)
        OtherProgram.commit(table, 1, 2)
        assert.strictEqual((yield* Effect.flip(writer.refresh))._tag, "TableChanged")
        yield* maintainAll(writer)
        yield* TestClock.adjust("1 hour")
        yield* maintainAll(writer)
        const version = Math.max(
          ...readdirSync(join(table, "metadata")).flatMap((name) => Metadata.versionOf(name) ?? [])
        )
        assert.strictEqual(OtherProgram.read(table, version).snapshots.length, 2)
        assert.deepStrictEqual(
          namedFiles(table).filter((path) => !existsSync(path)),
          []
        )
      })
    )
  }

  it.effect("leaves no checksum of Hadoop's beside a file that Floe has replaced", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("checksums")
      const writer = yield* openWriter({ tableFolder: table })
      yield* add(writer, someRows(3, "before"))
      OtherProgram.commit(table, 1, 2)
      writeFileSync(join(table, "metadata", ".v3.metadata.json.crc"), "of one that is gone")
      assert.include(OtherProgram.checksums(table), ".version-hint.text.crc")
      yield* add(writer, someRows(3, "behind"))
      assert.deepStrictEqual(OtherProgram.checksums(table), [".v2.metadata.json.crc"])
      assert.strictEqual(readFileSync(join(table, "metadata", "version-hint.text"), "utf8"), "3")
    })
  )

  it.effect("that changes what Floe needs stops it in one sentence", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("renamed-column")
      const writer = yield* openWriter({ tableFolder: table })
      yield* add(writer, someRows(3, "before"))
      OtherProgram.commit(table, 1, 2)
      const file = metadataFile(table, 2)
      const text = readFileSync(file, "utf8")
      writeFileSync(file, text.replace('"name":"city"', '"name":"town"'))
      yield* writer.stage(someRows(1, "more"))
      const error = yield* Effect.flip(writer.commit({ logId: "a-log", offset: 4 }))
      assert.strictEqual(
        error.message,
        `The table cannot be used: ${file} no longer has the column city of type string: another program renamed, changed or dropped it; restore the column.`
      )
    })
  )
})

layer(environment)("how far the log is in", (it) => {
  it.effect("is told by the nearest ancestor after a rollback", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("rollback")
      const writer = yield* openWriter({ tableFolder: table })
      const first = yield* add(writer, someRows(3, "first"))
      yield* add(writer, someRows(4, "second"))
      OtherProgram.rollBack(table, 2, 3, BigInt(first.snapshotId))
      assert.strictEqual((yield* Effect.flip(writer.refresh))._tag, "TableChanged")
      assert.strictEqual((yield* progressIn(table))?.offset, 3)
      yield* add(writer, someRows(4, "again"))
      yield* assertRows(table, [...someRows(3, "first"), ...someRows(4, "again")])
    })
  )

  it.effect("is told by the properties where the ancestors have expired", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("expired")
      yield* Effect.scoped(
        Effect.flatMap(openWriter({ tableFolder: table }), (writer) => add(writer, someRows(3, "a")))
      )
      OtherProgram.commit(table, 1, 2, { keep: () => false })
      assert.deepStrictEqual(yield* progressIn(table), { logId: "a-log", offset: 3 })
      const writer = yield* openWriter({ tableFolder: table })
      yield* add(writer, someRows(2, "b"))
      yield* assertRows(table, [...someRows(3, "a"), ...someRows(2, "b")])
    })
  )

  it.effect("is told by an ancestor however many commits of others came behind it, when snapshots are thinned", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("thinned")
      const writer = yield* openWriter({ tableFolder: table, snapshotKeep: 2 })
      const { snapshotId } = yield* add(writer, someRows(3, "a"))
      for (let version = 1; version <= 5; version++) {
        OtherProgram.commit(table, version, version + 1, { id: 4695896948513303399n + BigInt(version) })
      }
      // With one more piece of upkeep the properties would tell it too.
      yield* writer.maintain
      yield* writer.refresh
      yield* maintainAll(writer)
      const { metadata } = Option.getOrThrow(yield* readMetadata(table))
      assert.isTrue(metadata.snapshots.some((one) => String(one["snapshot-id"]) === snapshotId))
      assert.deepStrictEqual(yield* progressIn(table), { logId: "a-log", offset: 3 })
      yield* add(writer, someRows(2, "b"))
      yield* assertRows(table, [...someRows(3, "a"), ...someRows(2, "b")])
    })
  )

  it.effect("is not told by properties of a snapshot that was rolled back past", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("wrong")
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter({ tableFolder: table })
          const first = yield* add(writer, someRows(3, "a"))
          OtherProgram.commit(table, 1, 2)
          yield* add(writer, someRows(2, "b"))
          return first
        })
      )
      OtherProgram.rollBack(table, 3, 4, 4695896948513303399n)
      for (const keep of [
        // The one that the properties are of is kept, and no ancestor.
        (one: Metadata.Snapshot) => String(one["snapshot-id"]) !== first.snapshotId,
        // It has expired too, but it was later.
        (one: Metadata.Snapshot) => one["snapshot-id"] === 4695896948513303399n
      ]) {
        const metadata = OtherProgram.read(table, 4)
        writeFileSync(
          metadataFile(table, 5),
          Metadata.encode({ ...metadata, snapshots: metadata.snapshots.filter(keep) })
        )
        const error = yield* Effect.flip(Effect.scoped(openWriter({ tableFolder: table })))
        assert.include(error.message, `${metadataFile(table, 5)} does not record how much of the log the table holds`)
        OtherProgram.removeMetadata(table, 5)
      }
    })
  )
})

layer(environment)("metadata that cannot be read", (it) => {
  const whole = Effect.gen(function* () {
    const table = yield* tableIn("torn")
    if (!existsSync(table)) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter({ tableFolder: table })
          yield* add(writer, someRows(3, "a"))
          yield* add(writer, someRows(3, "b"))
        })
      )
    }
    return { table, two: metadataFile(table, 2), text: readFileSync(metadataFile(table, 2), "utf8") }
  })

  it.effect("are left out where they are empty or end early, anywhere", () =>
    Effect.gen(function* () {
      const { table, text, two } = yield* whole
      const lengths = [
        0,
        1,
        text.length - 1,
        ...Array.from({ length: 60 }, (_, i) => Math.floor((i * text.length) / 60))
      ]
      for (const length of lengths) {
        truncateSync(two, length)
        const { torn, version } = Option.getOrThrow(yield* readMetadata(table))
        assert.deepStrictEqual([version, torn.map(({ file }) => file)], [1, [two]], `of ${length} characters`)
        writeFileSync(two, text)
      }
      writeFileSync(two, "\0".repeat(500))
      assert.strictEqual(Option.getOrThrow(yield* readMetadata(table)).version, 1)
      writeFileSync(two, text)
    })
  )

  it.effect("are left out where only they name a snapshot whose manifest list is missing", () =>
    Effect.gen(function* () {
      const { table, two } = yield* whole
      const { snapshot } = Option.getOrThrow(yield* readMetadata(table))
      const list = readFileSync(snapshot["manifest-list"])
      rmSync(snapshot["manifest-list"])
      assert.strictEqual(Option.getOrThrow(yield* readMetadata(table)).version, 1)
      writeFileSync(metadataFile(table, 3), readFileSync(two))
      const error = yield* Effect.flip(readMetadata(table))
      assert.include(
        error.message,
        `${snapshot["manifest-list"]} is missing, although v2.metadata.json also contains its snapshot`
      )
      OtherProgram.removeMetadata(table, 3)
      writeFileSync(snapshot["manifest-list"], list)
    })
  )

  it.effect("and are not torn stop the sink, and nothing is removed while older ones are so", () =>
    Effect.gen(function* () {
      const { table, text, two } = yield* whole
      const third = metadataFile(table, 3)
      for (const wrong of [text.replace("{", "["), text.replace('"location"', '"place"'), text.replace(/:2,/, ":3,")]) {
        writeFileSync(third, wrong)
        const error = yield* Effect.flip(Effect.scoped(openWriter({ tableFolder: table })))
        assert.strictEqual(error._tag, "TableBroken")
        assert.include(error.message, third)
        assert.notInclude(error.message, "\n")
      }
      rmSync(third)
      const orphan = join(table, "metadata", "00000000-0000-m7.avro")
      writeFileSync(orphan, "")
      writeFileSync(metadataFile(table, 1), text.replace("{", "["))
      const writer = yield* openWriter({ tableFolder: table })
      assert.strictEqual((yield* maintainAll(writer)).filesRemoved, 0)
      rmSync(metadataFile(table, 1))
      yield* add(writer, someRows(1, "c"))
      assert.strictEqual((yield* maintainAll(writer)).filesRemoved, 1)
      assert.isFalse(existsSync(orphan))
      assert.isTrue(existsSync(two))
    })
  )

  it.effect("go when their time comes, so that metadata stay bounded and files are removed again", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("unreadable")
      const writer = yield* openWriter({ tableFolder: table, metadataKeep: 3 })
      const orphan = join(table, "metadata", "00000000-0000-m7.avro")
      yield* add(writer, someRows(1, "a"))
      yield* add(writer, someRows(1, "b"))
      writeFileSync(orphan, "")
      writeFileSync(metadataFile(table, 1), "{}")
      for (const label of ["c", "d"]) {
        yield* add(writer, someRows(1, label))
        yield* maintainAll(writer)
        assert.isTrue(existsSync(orphan))
      }
      yield* add(writer, someRows(1, "e"))
      yield* maintainAll(writer)
      assert.deepStrictEqual([existsSync(metadataFile(table, 1)), existsSync(orphan)], [false, false])
    })
  )
})
