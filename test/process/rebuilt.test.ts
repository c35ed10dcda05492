/** Rebuilt files on their way into place, as readers see them when the program dies in between. */
import { existsSync, mkdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import * as EventLogReaderLayer from "../../layers/log/sqlite/EventLogReader.ts"
import * as HighWaterMark from "../../layers/log/sqlite/HighWaterMark.ts"
import * as LogFile from "../../layers/log/sqlite/LogFile.ts"
import { processorFolder } from "../../layers/log/sqlite/processorFolder.ts"
import { makeRebuilt, putInPlace, readState, rebuiltIn, writeState } from "../../layers/process/rebuilt.ts"
import * as Store from "../../layers/process/sqlite/Store.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { mapped as definition } from "../support/processorDefinitions.ts"

const logId = "0198f6a0-1111-4222-8333-444455556666"
const rows = firstVersion({ name: "rows", columns: [], key: null, partitionBy: [] }, 0)

const withRows = (folder: DataFolder["Service"], count: number) => {
  const store = Store.open({ folder, logId, definition, output: rows, late: undefined })
  store.begin()
  for (let i = 0; i < count; i++) store.row("{}", 0)
  store.commit({ next: count, watermark: Number.NEGATIVE_INFINITY })
  store.close()
}

it.effect("Between its steps, a reader has the former file or the new one, and the next start completes them", () =>
  Effect.gen(function* () {
    const folder = yield* Effect.provide(DataFolder, at(yield* temporaryFolder))
    makeRebuilt(folder)
    withRows(folder, 3)
    // Beside the mark of the former file, it would seem to have lost rows.
    withRows(rebuiltIn(folder), 1)
    const ready = { names: ["mapped"], phase: "ready", paused: [] } as const
    writeState(folder, ready)
    const place = processorFolder(folder, "mapped")
    const end = Effect.gen(function* () {
      const { partitions } = yield* (yield* EventLogReader).of("rows").bounds
      return partitions[0]?.end
    }).pipe(
      Effect.provide(Layer.fresh(EventLogReaderLayer.layer).pipe(Layer.provide(Layer.succeed(DataFolder, place))))
    )

    // It dies before the new file takes the place of the former one.
    const { log, logHighWaterMark } = place
    renameSync(log, `${log}.aside`)
    mkdirSync(log)
    assert.throws(() => putInPlace(folder))
    rmdirSync(log)
    renameSync(`${log}.aside`, log)
    assert.strictEqual(yield* end, 3)

    // And between the new file and its mark.
    const rebuilt = processorFolder(rebuiltIn(folder), "mapped")
    renameSync(rebuilt.logHighWaterMark, `${rebuilt.logHighWaterMark}.aside`)
    writeFileSync(`${log}-wal`, "")
    putInPlace(folder)
    assert.isFalse(existsSync(`${log}-wal`))
    renameSync(`${rebuilt.logHighWaterMark}.aside`, rebuilt.logHighWaterMark)
    writeState(folder, ready)
    assert.strictEqual(yield* end, 1)

    putInPlace(folder)
    assert.strictEqual(readState(folder)?.phase, "swapped")
    assert.isFalse(existsSync(rebuilt.logHighWaterMark))
    assert.strictEqual(HighWaterMark.read(logHighWaterMark, "rows")?.end, 1)
    assert.strictEqual(LogFile.verify(place).get("rows"), 1)
    assert.strictEqual(yield* end, 1)
  }).pipe(Effect.scoped)
)
