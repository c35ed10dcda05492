/** Verifies a data folder that no program uses: reads the whole log, and compares it with the table. */
import { Effect, Layer, Option, Stream } from "effect"
import type { CopyAudit } from "../../../services/Backup.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
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

const auditStream = Effect.fnUntraced(function* (
  stream: AppliedStream,
  onProgress: (events: number, of: number) => void
) {
  const report = yield* audit({ stream, onProgress: (events, of) => Effect.sync(() => onProgress(events, of)) })
  const log = (yield* EventLogReader).of(stream.definition.name)
  const from = Option.match(report, { onNone: () => 0, onSome: ({ upTo: [at] }) => at?.offset ?? 0 })
  yield* Stream.runDrain(log.read({ partition: 0, offset: from }, { until: "end" }))
  return Option.toArray(report)
})

const sum = (one: CopyAudit, { extra, inTable, logged, missing }: CopyAudit): CopyAudit => ({
  logged: one.logged + logged,
  inTable: one.inTable + inTable,
  missing: one.missing + missing,
  extra: one.extra + extra
})

/** Of all streams together. Null if there is no table. */
export const auditCopy = (
  folder: DataFolder["Service"],
  streams: ReadonlyArray<AppliedStream>,
  onProgress: (events: number, of: number) => void
) =>
  Effect.gen(function* () {
    const reports = yield* Effect.forEach(streams, (stream) => auditStream(stream, onProgress))
    const [first, ...rest] = reports.flat()
    return first === undefined ? null : rest.reduce(sum, sum({ logged: 0, inTable: 0, missing: 0, extra: 0 }, first))
  }).pipe(Effect.provide(services(folder)), Effect.withSpan("auditCopy"))
