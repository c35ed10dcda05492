import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import * as LogFile from "../../layers/log/sqlite/LogFile.ts"
import { processorFolder } from "../../layers/log/sqlite/processorFolder.ts"
import * as Store from "../../layers/process/sqlite/Store.ts"
import { processorState, writeStates } from "../../layers/process/sqlite/stateLines.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { mapped as definition } from "../support/processorDefinitions.ts"

it.effect("A processor whose file was just created has no state and no progress yet", () =>
  Effect.gen(function* () {
    const folder = yield* Effect.provide(DataFolder, at(yield* temporaryFolder))
    mkdirSync(folder.processors, { recursive: true })
    LogFile.create(processorFolder(folder, "hourly"), "log")
    assert.isUndefined(processorState(folder, "hourly"))
    const lines = join(folder.root, "lines")
    writeStates(folder, "hourly", true, lines)
    assert.strictEqual(readFileSync(lines, "utf8"), "")
  }).pipe(Effect.scoped)
)

const stream = (name: string) => firstVersion({ name, columns: [], key: null, partitionBy: [] }, 0)

it.effect("A processor whose progress cannot be read stops, and does not process its input again", () =>
  Effect.gen(function* () {
    const folder = yield* Effect.provide(DataFolder, at(yield* temporaryFolder))
    mkdirSync(folder.processors, { recursive: true })
    const options = { folder, logId: "log", definition, output: stream("rows"), late: undefined }
    const store = Store.open(options)
    store.begin()
    store.row("{}", 0)
    store.commit({ next: 1, watermark: Number.NEGATIVE_INFINITY })
    store.close()
    const { log } = processorFolder(folder, "mapped")
    const file = new DatabaseSync(log)
    file.exec("UPDATE progress SET definition = '{}'")
    file.close()
    assert.throws(() => Store.open(options), `The progress in ${log} cannot be read`)
    const after = new DatabaseSync(log)
    assert.deepStrictEqual(
      after
        .prepare("SELECT next, definition FROM progress")
        .all()
        .map((row) => ({ ...row })),
      [{ next: 1, definition: "{}" }]
    )
    after.close()
  }).pipe(Effect.scoped)
)
