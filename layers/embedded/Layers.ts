/** The layers of the embedded profile: npm alone, one data folder. */
import { Layer } from "effect"
import * as Query from "../duckdb/Query.ts"
import * as TableWriter from "../iceberg/TableWriter.ts"
import * as Sink from "../sink/Sink.ts"
import * as EventLog from "../sqlite/EventLog.ts"
import * as EventLogReader from "../sqlite/EventLogReader.ts"
import * as Leases from "../sqlite/Leases.ts"
import * as SinkControl from "../sqlite/SinkControl.ts"
import * as DataFolder from "./DataFolder.ts"
import * as Remainder from "./Remainder.ts"
import * as Storage from "./Storage.ts"

export const log = EventLog.layer.pipe(Layer.provide(DataFolder.layer))

export const logReader = EventLogReader.layer.pipe(Layer.provide(DataFolder.layer))

export const sink = Remainder.layer.pipe(
  Layer.provideMerge(Sink.layer),
  Layer.provide(TableWriter.layer),
  Layer.provide([Leases.layer, SinkControl.layer]),
  Layer.provideMerge(DataFolder.layer)
)

export const query = Query.layer.pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead))

export const storage = Storage.layer.pipe(Layer.provide(DataFolder.layerToRead))
