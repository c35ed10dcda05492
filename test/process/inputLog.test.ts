import { mkdirSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import * as InputLog from "../../layers/process/InputLog.ts"
import * as Store from "../../layers/process/sqlite/Store.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { mapped as definition } from "../support/processorDefinitions.ts"

const stream = firstVersion({ name: "rows", columns: [], key: null, partitionBy: [] }, 0)

it.effect("Large events are read a few at once, small ones a thousand, and none is left out", () =>
  Effect.gen(function* () {
    const folder = yield* Effect.provide(DataFolder, at(yield* temporaryFolder))
    mkdirSync(folder.processors, { recursive: true })
    const store = Store.open({ folder, logId: "log", definition, output: stream, late: undefined })
    store.begin()
    for (let i = 0; i < 250; i++) store.row(JSON.stringify("x".repeat(200_000)), i)
    for (let i = 250; i < 1_500; i++) store.row("{}", i)
    store.commit({ next: 1, watermark: Number.NEGATIVE_INFINITY })
    store.close()
    const input = InputLog.open(folder, "rows", "mapped")
    const seen: Array<number> = []
    const sizes: Array<number> = []
    for (;;) {
      const events = input.events(seen.length, 1_000)
      if (events.length === 0) break
      sizes.push(events.length)
      seen.push(...events.map(({ acceptedAt }) => acceptedAt))
    }
    input.close()
    assert.deepStrictEqual(
      seen,
      Array.from({ length: 1_500 }, (_, i) => i)
    )
    assert.deepStrictEqual(sizes, [100, 100, 1_000, 300])
  }).pipe(Effect.scoped)
)
