/** How much of the log a table holds, whatever other programs have done to it. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as Metadata from "../../../layers/table/iceberg/Metadata.ts"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import {
  add,
  assertRows,
  environment,
  maintainAll,
  metadataFile,
  openWriter,
  someRows
} from "../../support/icebergTable.ts"
import * as OtherProgram from "../../support/otherProgram.ts"
import { readTable } from "../../support/readTable.ts"

const tableIn = (name: string) => Effect.map(DataFolder, ({ root }) => join(root, "tables", name))

const progressIn = (table: string) => Effect.map(readTable(table), (state) => Option.getOrThrow(state).progress)

layer(environment)("the table's progress", (it) => {
  it.effect("is that of the nearest ancestor after a rollback", () =>
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

  it.effect("is that in the properties if the ancestors have expired", () =>
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

  it.effect("is that of an ancestor, however many commits of others follow it, even after expiry", () =>
    Effect.gen(function* () {
      const table = yield* tableIn("ancestor")
      const writer = yield* openWriter({ tableFolder: table, snapshotKeep: 2 })
      const { snapshotId } = yield* add(writer, someRows(3, "a"))
      for (let version = 1; version <= 5; version++) {
        OtherProgram.commit(table, version, version + 1, { id: 4695896948513303399n + BigInt(version) })
      }
      // After one more piece of maintenance the properties would record it too.
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

  it.effect("is not that in the properties after a rollback past their snapshot", () =>
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
