/** Promotes a rebuilt table and kills itself with SIGKILL at a step of the commit. Arguments: data folder, table, step. */
import { join } from "node:path"
import { Effect, Layer } from "effect"
import * as EventLogReaderLayer from "../../layers/log/sqlite/EventLogReader.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import * as Promote from "../../layers/sink/promote.ts"
import * as SinkLoop from "../../layers/sink/SinkLoop.ts"
import type { Step } from "../../layers/table/iceberg/commitMetadata.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { TableWriter } from "../../services/TableWriter.ts"

const [root = "", table = "", last = ""] = process.argv.slice(2)

const atStep = (step: Step) =>
  Effect.sync(() => {
    if (step === last) process.kill(process.pid, "SIGKILL")
  })

const program = Effect.gen(function* () {
  const folder = yield* DataFolder
  const writer = yield* TableWriterLayer.make({
    tableFolder: folder.table,
    tempFolder: join(folder.root, "temp"),
    snapshotKeep: 100,
    failpoint: atStep
  })
  const loop = yield* SinkLoop.make({ topic: "weather", interval: "1 second", onCommit: Effect.void }).pipe(
    Effect.provideService(TableWriter, writer)
  )
  yield* Promote.promote(loop.promote, table)
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(
      Layer.mergeAll(EventLogReaderLayer.layer, StreamsLayer.layer, LeasesLayer.layer).pipe(
        Layer.provideMerge(at(root))
      )
    )
  )
)
