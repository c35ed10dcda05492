/** The layers that make up a profile. Each profile is one such record; a layer that it cannot offer fails with a sentence. */
import { Effect, Layer, Schema } from "effect"
import type { Backup } from "../../services/Backup.ts"
import type { Checks } from "../../services/Checks.ts"
import type { Components } from "../../services/Components.ts"
import type { Connector } from "../../services/Connector.ts"
import type { ConsumerGroups } from "../../services/ConsumerGroups.ts"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { DeadLetters } from "../../services/DeadLetters.ts"
import type { EventLog, EventLogReader } from "../../services/EventLog.ts"
import type { LogTarget } from "../../services/LogTarget.ts"
import type { Maintenance } from "../../services/Maintenance.ts"
import type { ProcessorEvolution } from "../../services/ProcessorEvolution.ts"
import type { ProcessorRebuild } from "../../services/ProcessorRebuild.ts"
import type { Query } from "../../services/Query.ts"
import type { Rebuild } from "../../services/Rebuild.ts"
import type { SinkCommits } from "../../services/SinkCommits.ts"
import type { Storage } from "../../services/Storage.ts"
import type { StreamSinks } from "../../services/StreamSinks.ts"
import type { Streams } from "../../services/Streams.ts"
import type { TableChecksums } from "../../services/TableChecksums.ts"
import type { TableEvolution } from "../../services/TableEvolution.ts"
import type { TableReader } from "../../services/TableReader.ts"
import type { Topics } from "../../services/Topics.ts"
import type { HttpServer } from "../ingest/http/HttpServer.ts"
import type { ProcessorPauses } from "../process/ProcessorPauses.ts"
import type { ProcessorReplays } from "../process/ProcessorReplays.ts"
import type { ProcessorReports } from "../process/ProcessorReports.ts"
import type { Sink } from "../sink/Sink.ts"

/** Except for `log`, `logReader` and `sink`, no layer creates anything on disk. */
export interface ProfileLayers {
  /** The log, to append to and to read, and its streams. In the embedded profile only one process at a time can have it. */
  readonly log: Layer.Layer<EventLog | EventLogReader | Streams, unknown>
  /** The log, to read beside the processes that append to it. */
  readonly logReader: Layer.Layer<EventLogReader, unknown>
  /** The log to read, if there is one. */
  readonly existingLog: Layer.Layer<EventLogReader, unknown>
  /** The streams of the log, if there is one. */
  readonly streams: Layer.Layer<Streams, unknown>
  /** The logging server to send events to. */
  readonly logTarget: Layer.Layer<LogTarget, unknown>
  /** Publishes the server's address to clients on this machine while the server runs. */
  readonly serverAddress: Layer.Layer<never, unknown, EventLog | HttpServer>
  /** Logs each step of the clock. The embedded profile also keeps the last one for `floe doctor`. */
  readonly clockSteps: Layer.Layer<never, unknown>
  /** Fails outside the embedded profile, before anything else is built. */
  readonly onlyEmbedded: Layer.Layer<never, unknown>
  readonly sink: Layer.Layer<DataFolder | Sink, unknown, EventLogReader>
  /** Runs the processors of the declaration. */
  readonly processors: Layer.Layer<never, unknown>
  /** What the processors do. */
  readonly processorReports: Layer.Layer<ProcessorReports, unknown>
  /** Processors run again over the log. */
  readonly processorReplays: Layer.Layer<ProcessorReplays, unknown>
  readonly processorPauses: Layer.Layer<ProcessorPauses, unknown>
  readonly processorRebuild: Layer.Layer<ProcessorRebuild, unknown>
  /** SQL over the table. */
  readonly query: Layer.Layer<Query, unknown>
  readonly tableReader: (table: string) => Layer.Layer<TableReader, unknown>
  /** The log and the table, to compare. */
  readonly audit: Layer.Layer<EventLogReader | TableChecksums, unknown>
  /** Of the table of a stream. */
  readonly maintenance: (stream: string) => Layer.Layer<Maintenance, unknown>
  readonly rebuild: Layer.Layer<Rebuild, unknown>
  readonly status: Layer.Layer<
    Components | EventLogReader | ProcessorReports | Streams | StreamSinks | TableReader,
    unknown
  >
  readonly checks: Layer.Layer<Checks, unknown>
  /** The columns of streams' tables, to change them, the streams, and the processors. */
  readonly evolution: Layer.Layer<ProcessorEvolution | Streams | TableEvolution, unknown>
  /** The files of the table. */
  readonly storage: Layer.Layer<Storage, unknown>
  /** Copies of the data folder. */
  readonly backup: Layer.Layer<Backup, unknown>
  /** Kafka Connect's sink connector, or the embedded sink controlled like one. */
  readonly connector: Layer.Layer<Connector, unknown>
  /** Kafka Connect alone, for what the embedded sink has no counterpart of. */
  readonly kafkaConnect: Layer.Layer<Connector, unknown>
  /** Kafka Connect and the consumer groups of its connectors. */
  readonly registration: Layer.Layer<Connector | ConsumerGroups, unknown>
  /** What it takes to create the table and to name the topic it comes from. */
  readonly tableCreation: Layer.Layer<ConsumerGroups | Query | SinkCommits | Topics, unknown>
  readonly topics: Layer.Layer<Topics, unknown>
  readonly consumerGroups: Layer.Layer<ConsumerGroups, unknown>
  /** The records that the sink rejected. */
  readonly deadLetters: Layer.Layer<DeadLetters, unknown>
}

class OnlyEmbedded extends Schema.TaggedError<OnlyEmbedded>()("OnlyEmbedded", {}) {
  override get message() {
    return "This needs the embedded profile, but FLOE_PROFILE is distributed. There, Kafka Connect writes the table, and docker compose up starts everything."
  }
}

class OnlyDistributed extends Schema.TaggedError<OnlyDistributed>()("OnlyDistributed", {
  /** What the embedded profile has instead, as the end of a sentence. */
  instead: Schema.String
}) {
  override get message() {
    return `This needs the distributed profile (FLOE_PROFILE=distributed); in the embedded one ${this.instead}.`
  }
}

class NoBackup extends Schema.TaggedError<NoBackup>()("NoBackup", {}) {
  override get message() {
    return "floe backup and floe restore need the embedded profile's data folder, but FLOE_PROFILE is distributed. docs/operations.md describes how to back up Kafka, PostgreSQL and MinIO."
  }
}

const failing = <A, E>(error: E): Layer.Layer<A, E> => Layer.unwrap<A, never, never, E, never>(Effect.fail(error))

export const onlyEmbedded = <A>() => failing<A, OnlyEmbedded>(new OnlyEmbedded())
export const onlyDistributed = <A>(instead: string) => failing<A, OnlyDistributed>(new OnlyDistributed({ instead }))
export const noBackup = failing<Backup, NoBackup>(new NoBackup())
