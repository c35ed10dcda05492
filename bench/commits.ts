/** `npm run bench commits [commits]`: the cost of a commit after many others, while upkeep runs beside them as in the sink. */
import { join } from "node:path"
import { Effect, Fiber, Layer } from "effect"
import * as DataFolder from "../layers/runtime/DataFolder.ts"
import * as SqliteLeases from "../layers/table/iceberg/Leases.ts"
import * as IcebergTableWriter from "../layers/table/iceberg/TableWriter.ts"
import { TableWriter } from "../services/TableWriter.ts"
import { hourOf } from "../services/Weather.ts"
import { describe } from "./machine.ts"
import { median, rounded, temporaryFolder } from "./programs.ts"

const commits = Number(process.argv[3] ?? 10_000)
const window = 200
const rowsPerCommit = 100
const folder = temporaryFolder()
console.log(describe(folder))

const program = Effect.gen(function* () {
  const table = yield* TableWriter
  const upkeep = yield* Effect.forkChild(Effect.forever(Effect.andThen(table.maintain, Effect.sleep("20 millis"))))
  const milliseconds: Array<number> = []
  for (let n = 0; n < commits + window; n++) {
    const ts = hourOf(Date.UTC(2026, 0, 1) + Math.floor(n / 3600) * 3_600_000)
    yield* table.stage(
      Array.from({ length: rowsPerCommit }, (_, i) => ({ city: `City ${i}`, temperature: "80.59", ts }))
    )
    const started = performance.now()
    yield* table.commit({ logId: "bench", offset: (n + 1) * rowsPerCommit })
    milliseconds.push(performance.now() - started)
  }
  yield* Fiber.interrupt(upkeep)
  return milliseconds
})

const layer = IcebergTableWriter.layer.pipe(
  Layer.provide(SqliteLeases.layer),
  Layer.provide(DataFolder.at(join(folder, "data")))
)
const milliseconds = await Effect.runPromise(program.pipe(Effect.provide(layer)))
const early = median(milliseconds.slice(100, 100 + window))
const late = median(milliseconds.slice(commits, commits + window))
console.log(
  `commit of ${rowsPerCommit} rows, median of ${window}: ${early.toFixed(1)} ms after 100 commits, ` +
    `${late.toFixed(1)} ms after ${rounded(commits)}: ${(late / early).toFixed(2)} times`
)
