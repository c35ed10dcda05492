/** Torn metadata files are ignored; others that cannot be read stop the sink. */
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { add, environment, maintainAll, metadataFile, openWriter, someRows } from "../../support/icebergTable.ts"
import * as OtherProgram from "../../support/otherProgram.ts"

const tableIn = (name: string) => Effect.map(DataFolder, ({ root }) => join(root, "tables", name))

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

  it.effect("are ignored if they are empty or end early, at any byte", () =>
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

  it.effect("are ignored if only they contain a snapshot whose manifest list is missing", () =>
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

  it.effect("and are not torn stop the sink, and stop removals while they are older ones", () =>
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

  it.effect("are removed when they are old, so that metadata stay bounded and removals resume", () =>
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
