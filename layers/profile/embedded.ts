/** The layers of the embedded profile: npm alone, one data folder. */
import { Effect, Layer } from "effect"
import { ProcessorEvolution } from "../../services/ProcessorEvolution.ts"
import * as LogTarget from "../ingest/embeddedTarget.ts"
import * as ServerAddress from "../ingest/ServerAddress.ts"
import * as DeadLetters from "../log/sqlite/DeadLetters.ts"
import * as EventLog from "../log/sqlite/EventLog.ts"
import * as EventLogReader from "../log/sqlite/EventLogReader.ts"
import * as Streams from "../log/sqlite/Streams.ts"
import * as Backup from "../operate/backup/Backup.ts"
import * as Checks from "../operate/doctor/embedded.ts"
import * as Components from "../operate/status/embedded.ts"
import * as StreamSinks from "../operate/status/StreamSinks.ts"
import * as Storage from "../operate/storage/folder.ts"
import { ProcessorPauses } from "../process/ProcessorPauses.ts"
import { ProcessorReplays } from "../process/ProcessorReplays.ts"
import { ProcessorReports } from "../process/ProcessorReports.ts"
import * as Processors from "../process/Processors.ts"
import * as ClockSteps from "../runtime/ClockSteps.ts"
import * as DataFolder from "../runtime/DataFolder.ts"
import * as Connector from "../sink/Connector.ts"
import * as Maintenance from "../sink/Maintenance.ts"
import * as ProcessorRebuild from "../sink/ProcessorRebuild.ts"
import * as Rebuild from "../sink/Rebuild.ts"
import { Sink } from "../sink/Sink.ts"
import { SinkControl } from "../sink/SinkControl.ts"
import * as TableEvolution from "../sink/TableEvolution.ts"
import * as Query from "../table/duckdb/Query.ts"
import * as TableChecksums from "../table/duckdb/TableChecksums.ts"
import * as Leases from "../table/iceberg/Leases.ts"
import * as TableReader from "../table/iceberg/TableReader.ts"
import * as TableWriter from "../table/iceberg/TableWriter.ts"
import * as DrainOnShutdown from "./drainOnShutdown.ts"
import { onlyDistributed, type ProfileLayers } from "./ProfileLayers.ts"

const { layerToRead } = DataFolder
const leases = Leases.layer.pipe(Layer.provide(layerToRead))
const logToRead = EventLogReader.layer.pipe(Layer.provide(layerToRead))
const streamsToRead = Streams.layer.pipe(Layer.provide(layerToRead))
const streamSinks = StreamSinks.layer.pipe(Layer.provide([leases, layerToRead]))
const tableEvolution = TableEvolution.layer.pipe(Layer.provide([leases, layerToRead]))
/** A processor makes its file when it starts. */
const noProcessorEvolution = Layer.succeed(
  ProcessorEvolution,
  ProcessorEvolution.of({ inspect: () => Effect.undefined, bringTo: () => Effect.void })
)
const query = Query.layer.pipe(Layer.provide([leases, streamsToRead, layerToRead]))
const tableReader = (table: string) => TableReader.at(table).pipe(Layer.provide([leases, layerToRead]))

const connector = Connector.layer.pipe(Layer.provide([SinkControl.layer, Streams.layer]), Layer.provide(layerToRead))

const processorReports = ProcessorReports.layer.pipe(Layer.provide([logToRead, streamsToRead, layerToRead]))

const noConnect = "the sink is a program of its own, which floe connector can show, pause and resume"

export const layers = {
  log: Layer.merge(EventLog.layer, Streams.layer).pipe(Layer.provide(DataFolder.layer)),
  logReader: EventLogReader.layer.pipe(Layer.provide(DataFolder.layer)),
  existingLog: logToRead,
  streams: streamsToRead,
  logTarget: LogTarget.layer.pipe(Layer.provide([logToRead, layerToRead])),
  serverAddress: ServerAddress.layer.pipe(Layer.provide(DataFolder.layer)),
  clockSteps: ClockSteps.layer.pipe(Layer.provide(layerToRead)),
  onlyEmbedded: Layer.empty,
  sink: DrainOnShutdown.layer.pipe(
    Layer.provideMerge(Sink.layer),
    Layer.provide(TableWriter.writersLayer),
    Layer.provide([Leases.layer, SinkControl.layer, Streams.layer]),
    Layer.provideMerge(DataFolder.layer)
  ),
  processors: Processors.layer.pipe(Layer.provide(DataFolder.layer)),
  processorReports,
  processorReplays: ProcessorReplays.layer.pipe(Layer.provide([logToRead, layerToRead])),
  processorPauses: ProcessorPauses.layer.pipe(Layer.provide(layerToRead)),
  processorRebuild: ProcessorRebuild.layer.pipe(Layer.provide([connector, leases, streamsToRead, layerToRead])),
  query,
  tableReader,
  audit: Layer.merge(logToRead, TableChecksums.layer.pipe(Layer.provide([leases, layerToRead]))),
  maintenance: (stream: string) =>
    Maintenance.layerOf(stream).pipe(Layer.provide([leases, streamsToRead, layerToRead])),
  rebuild: Rebuild.layer.pipe(Layer.provide([leases, logToRead, streamsToRead, layerToRead])),
  status: Components.layer.pipe(
    Layer.provide([query, layerToRead]),
    Layer.provideMerge([logToRead, tableReader("weather"), streamsToRead, streamSinks, processorReports])
  ),
  checks: Checks.layer.pipe(
    Layer.provide([
      logToRead,
      tableReader("weather"),
      streamsToRead,
      streamSinks,
      tableEvolution,
      processorReports,
      layerToRead
    ])
  ),
  evolution: Layer.mergeAll(streamsToRead, tableEvolution, noProcessorEvolution),
  storage: Storage.layer.pipe(Layer.provide(layerToRead)),
  backup: Backup.layer.pipe(Layer.provide([leases, layerToRead])),
  connector,
  kafkaConnect: onlyDistributed(noConnect),
  registration: onlyDistributed(noConnect),
  tableCreation: onlyDistributed("the sink creates the table with its first commit (npm start)"),
  topics: onlyDistributed("the log is a file and needs no topic"),
  consumerGroups: onlyDistributed("the log is a file and has no groups"),
  deadLetters: DeadLetters.layer.pipe(Layer.provide(layerToRead))
} satisfies ProfileLayers
