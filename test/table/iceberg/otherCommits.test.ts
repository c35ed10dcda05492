/** Floe continues from other programs' commits, and repeats its own if they have replaced them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
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

const tableIn = (name: string) => Effect.map(DataFolder, ({ root }) => join(root, "tables", name))

layer(environment)("a commit of another program", (it) => {
  it.effect("is loaded: Floe's next commit continues from it, with its snapshot and 64-bit id", () =>
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

  it.effect("that comes between the refresh and the link makes Floe retry on top of it", () =>
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
    it.effect(`that was renamed ${how} replaces a commit of Floe's: the staged rows must be read again`, () =>
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

  it.effect("is noticed even without rows to commit", () =>
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

  it.effect("stays when a sync fails and Floe removes its own", () =>
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
    it.effect(`keeps the files of a snapshot that Floe had expired (${noted ? "" : "not yet "}recorded)`, () =>
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

  it.effect("leaves no Hadoop checksum beside a file that Floe has replaced", () =>
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

  it.effect("that changes what Floe needs fails its commits with one sentence", () =>
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
