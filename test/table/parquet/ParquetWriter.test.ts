import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as ParquetEngine from "../../../layers/table/parquet/ParquetEngine.ts"
import * as ParquetWriter from "../../../layers/table/parquet/ParquetWriter.ts"
import { weather } from "../../../layers/table/schema/TableSpec.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { filesUnder, someRows } from "../../support/icebergTable.ts"
import { exists } from "../../support/waiting.ts"

const openWriter = (tempFolder: string) =>
  ParquetEngine.make({ memoryMegabytes: 96, tempFolder }).pipe(
    Effect.flatMap((engine) => ParquetWriter.make({ spec: () => weather, engine })),
    Effect.provide(SecureRandom.layerWebCrypto)
  )

/** Rows of about 200 bytes each, which do not compress in memory. */
const largeRows = (count: number, label: string) =>
  someRows(count, label).map((row, i) => ({ ...row, city: `${label} ${i} `.padEnd(200, `${Math.sin(i)}`) }))

const collectGarbage = Effect.promise(async () => {
  setFlagsFromString("--expose-gc")
  const gc = runInNewContext("gc")
  for (let i = 0; i < 10; i++) {
    gc()
    await delay(10)
  }
})

it.live("rows that could not be staged on a full disk are staged once when they are staged again", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const tempFolder = join(folder, "temp")
    writeFileSync(tempFolder, "in the way")
    const parquet = yield* openWriter(tempFolder)
    let staged = 0
    let failed = 0
    while (failed < 5) {
      const rows = largeRows(20_000, `${staged}`)
      const result = yield* Effect.result(parquet.stage(rows))
      if (result._tag === "Success") staged += rows.length
      else {
        failed++
        assert.notInclude(result.failure.message, "rollback")
        assert.notMatch(result.failure.message, /\.\.$/)
      }
    }
    assert.strictEqual(parquet.staged().rows, staged)
    rmSync(tempFolder)
    yield* collectGarbage
    const before = yield* parquet.flush(join(folder, "data"), "writer")
    yield* collectGarbage
    yield* parquet.stage(someRows(3, "after"))
    const after = yield* parquet.flush(join(folder, "data"), "writer")
    assert.deepStrictEqual(
      [before, after].map((files) => files.reduce((sum, file) => sum + file.rows, 0)),
      [staged, 3]
    )
  })
)

it.live("closing a writer in the middle of a statement stops the statement first", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const scope = yield* Scope.make()
    const tempFolder = join(folder, "temp")
    const parquet = yield* openWriter(tempFolder).pipe(Scope.provide(scope))
    yield* parquet.stage(largeRows(200_000, "many"))
    const flush = yield* Effect.forkDetach(parquet.flush(join(folder, "data"), "writer"))
    yield* Effect.raceFirst(exists(join(folder, "data")), Fiber.await(flush))
    yield* Scope.close(scope, Exit.void)
    if (Exit.isFailure(yield* Fiber.await(flush))) assert.deepStrictEqual(filesUnder(join(folder, "data")), [])
  })
)
