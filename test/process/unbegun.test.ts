import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LogFile from "../../layers/log/sqlite/LogFile.ts"
import { processorFolder } from "../../layers/log/sqlite/processorFolder.ts"
import { processorState, writeStates } from "../../layers/process/sqlite/stateLines.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { temporaryFolder } from "../support/dataFolder.ts"

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
