/** Verifies a data folder that no program uses: reads the whole log, and compares it with the table. */
import { Effect, Layer, Option, Stream } from "effect"
import type { CopyAudit } from "../../../services/Backup.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import * as Reader from "../../log/sqlite/EventLogReader.ts"
import * as TableChecksumsLayer from "../../table/duckdb/TableChecksums.ts"
import * as Leases from "../../table/iceberg/Leases.ts"
import { audit } from "../audit/audit.ts"

const services = (folder: DataFolder["Service"]) =>
  Layer.fresh(
    Layer.merge(Reader.layer, TableChecksumsLayer.layer.pipe(Layer.provide(Leases.layerNone))).pipe(
      Layer.provide(Layer.succeed(DataFolder, folder))
    )
  )

/** Null if there is no table. */
export const auditCopy = (folder: DataFolder["Service"], onProgress: (events: number, of: number) => void) =>
  Effect.gen(function* () {
    const report = yield* audit({ onProgress: (events, of) => Effect.sync(() => onProgress(events, of)) })
    const log = yield* EventLogReader
    const from = Option.match(report, { onNone: () => 0, onSome: ({ upTo: [at] }) => at?.offset ?? 0 })
    yield* Stream.runDrain(log.read({ partition: 0, offset: from }, { until: "end" }))
    return Option.getOrNull(
      Option.map(report, ({ extra, inTable, logged, missing }): CopyAudit => ({ logged, inTable, missing, extra }))
    )
  }).pipe(Effect.provide(services(folder)), Effect.withSpan("auditCopy"))
