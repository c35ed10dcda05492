/** The layers of the embedded profile: npm alone, one data folder. */
import { Layer } from "effect"
import * as DeadLetters from "../ingest/deadletters/embedded.ts"
import * as LogTarget from "../ingest/embeddedTarget.ts"
import * as ServerAddress from "../ingest/ServerAddress.ts"
import * as EventLog from "../log/sqlite/EventLog.ts"
import * as EventLogReader from "../log/sqlite/EventLogReader.ts"
import * as Backup from "../operate/backup/Backup.ts"
import * as Checks from "../operate/doctor/embedded.ts"
import * as Components from "../operate/status/embedded.ts"
import * as Storage from "../operate/storage/folder.ts"
import * as ClockSteps from "../runtime/ClockSteps.ts"
import * as DataFolder from "../runtime/DataFolder.ts"
import * as Connector from "../sink/Connector.ts"
import * as Maintenance from "../sink/Maintenance.ts"
import * as RebuildLayer from "../sink/Rebuild.ts"
import * as Sink from "../sink/Sink.ts"
import * as SinkControl from "../sink/SinkControl.ts"
import * as Query from "../table/duckdb/Query.ts"
import * as TableChecksumsLayer from "../table/duckdb/TableChecksums.ts"
import * as Leases from "../table/iceberg/Leases.ts"
import * as TableReaderLayer from "../table/iceberg/TableReader.ts"
import * as TableWriter from "../table/iceberg/TableWriter.ts"
import * as DrainOnShutdown from "./drainOnShutdown.ts"

export const log = EventLog.layer.pipe(Layer.provide(DataFolder.layer))

export const logReader = EventLogReader.layer.pipe(Layer.provide(DataFolder.layer))

export const clockSteps = ClockSteps.layer.pipe(Layer.provide(DataFolder.layerToRead))

export const sink = DrainOnShutdown.layer.pipe(
  Layer.provideMerge(Sink.layer),
  Layer.provide(TableWriter.layer),
  Layer.provide([Leases.layer, SinkControl.layer]),
  Layer.provideMerge(DataFolder.layer)
)

export const query = Query.layer.pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead))

export const tableReader = (table: string) =>
  TableReaderLayer.at(table).pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead))

export const logToRead = EventLogReader.layer.pipe(Layer.provide(DataFolder.layerToRead))

export const audit = Layer.merge(
  logToRead,
  TableChecksumsLayer.layer.pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead))
)

export const connector = Connector.layer.pipe(Layer.provide(SinkControl.layer), Layer.provide(DataFolder.layerToRead))

export const maintenance = Maintenance.layer.pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead))

export const rebuild = RebuildLayer.layer.pipe(
  Layer.provide([Leases.layer, EventLogReader.layer]),
  Layer.provide(DataFolder.layerToRead)
)

export const logTarget = LogTarget.layer.pipe(Layer.provide(logToRead), Layer.provide(DataFolder.layerToRead))

/** Tells where the server of this data folder listens. */
export const serverAddress = ServerAddress.layer.pipe(Layer.provide(DataFolder.layer))

export const status = Components.layer.pipe(
  Layer.provide(query),
  Layer.provideMerge(Layer.merge(logToRead, tableReader("weather"))),
  Layer.provide(DataFolder.layerToRead)
)

export const checks = Checks.layer.pipe(
  Layer.provide([logToRead, tableReader("weather")]),
  Layer.provide(DataFolder.layerToRead)
)

export const storage = Storage.layer.pipe(Layer.provide(DataFolder.layerToRead))

export const backup = Backup.layer.pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead))

export const deadLetters = DeadLetters.layer
