import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import {
  add,
  assertRows,
  diskFull,
  environment,
  filesUnder,
  maintainAll,
  namedFiles,
  openWriter,
  someRows,
  tableFiles
} from "../../support/icebergTable.ts"
import { icebirdRows } from "../../support/icebirdReader.ts"
import { listSnapshots, readTable } from "../../support/readTable.ts"

/** Nothing is on the disk but what some metadata file there names. */
const assertTidy = (table: string) => Effect.sync(() => assert.deepStrictEqual(tableFiles(table), namedFiles(table)))

layer(environment)("a table that was moved", (it) => {
  it.effect("is readable at its new place at once, and then written to with its snapshots", () =>
    Effect.gen(function* () {
      const { warehouse } = yield* DataFolder
      const [first, second] = [join(warehouse, "first"), join(warehouse, "a new", "place's")]
      let rows: ReadonlyArray<WeatherRecord> = []
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter({ tableFolder: first })
          for (let i = 0; i < 10; i++) {
            rows = [...rows, ...someRows(3, `r${i}`)]
            yield* add(writer, someRows(3, `r${i}`))
            if (i === 7) yield* writer.maintain
          }
        })
      )
      const before = yield* listSnapshots(first)
      mkdirSync(dirname(second))
      renameSync(first, second)
      const moved = Option.getOrThrow(yield* readTable(second))
      assert.strictEqual(moved.location, first)
      assert.isTrue(moved.files.every((file) => file.path.startsWith(second) && existsSync(file.path)))

      const files = filesUnder(second)
      const failed = yield* Effect.flip(
        Effect.scoped(
          openWriter({
            tableFolder: second,
            failpoint: (step) => (step === "durable" ? Effect.fail(diskFull) : Effect.void)
          })
        )
      )
      assert.strictEqual(failed._tag, "TableUnavailable")
      assert.deepStrictEqual(filesUnder(second), files)

      const copies = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter({
            tableFolder: second,
            failpoint: (step) =>
              Effect.sync(
                () => existsSync(join(copies, step)) || cpSync(second, join(copies, step), { recursive: true })
              )
          })
          assert.strictEqual(Option.getOrThrow(yield* readTable(second)).location, second)
          yield* assertRows(second, rows)
          assert.deepStrictEqual(yield* listSnapshots(second), before)
          for (const { snapshotId, rows: count } of before) {
            assert.strictEqual((yield* icebirdRows(second, { snapshotId })).length, count)
          }
          yield* add(writer, someRows(3, "after"))
          yield* assertRows(second, [...rows, ...someRows(3, "after")])
          yield* maintainAll(writer)
          yield* assertTidy(second)
        })
      )
      // A crash in the middle of the move leaves a table that can be opened and moved again.
      for (const step of ["written", "durable", "linked"]) {
        rmSync(second, { recursive: true })
        renameSync(join(copies, step), second)
        const writer = yield* openWriter({ tableFolder: second })
        yield* assertRows(second, rows)
        yield* maintainAll(writer)
        yield* assertTidy(second)
      }
    })
  )
})
