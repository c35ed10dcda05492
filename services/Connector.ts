/**
 * Manages the connectors of Kafka Connect.
 * Owns: names, states, errors. Does not own: what a connector's settings mean, whether it makes progress.
 */
import { Context, type Effect, Schema } from "effect"

/** The connector that writes the topic into the table. */
export const sinkConnector = "iceberg-sink"

/** The connector of a stream: weather's has the name above. */
export const connectorOf = (stream: string) => (stream === "weather" ? sinkConnector : `${sinkConnector}-${stream}`)

const ofStream = new RegExp(`^${sinkConnector}-([a-z][a-z0-9_]*)$`)

/** The stream other than weather whose connector may have this name; undefined for any other name. */
export const streamOfConnector = (connector: string) => ofStream.exec(connector)?.[1]

/** Settings of a connector by their names in Kafka Connect. */
export const ConnectorConfig = Schema.Record(Schema.String, Schema.String)
export type ConnectorConfig = typeof ConnectorConfig.Type

const Running = {
  /** RUNNING, PAUSED, FAILED, UNASSIGNED, RESTARTING or STOPPED. */
  state: Schema.String,
  worker: Schema.NullOr(Schema.String),
  /** The stack trace of a failure; null otherwise. */
  trace: Schema.NullOr(Schema.String)
}

export const ConnectorStatus = Schema.Struct({
  name: Schema.String,
  connector: Schema.Struct(Running),
  tasks: Schema.Array(Schema.Struct({ id: Schema.Int, ...Running }))
})
export type ConnectorStatus = typeof ConnectorStatus.Type

export const FieldErrors = Schema.Struct({ field: Schema.String, messages: Schema.Array(Schema.String) })
export type FieldErrors = typeof FieldErrors.Type

/** Kafka Connect cannot be reached, is starting or is rebalancing; the call may be retried. */
export class ConnectUnavailable extends Schema.TaggedError<ConnectUnavailable>()("ConnectUnavailable", {
  operation: Schema.String,
  /** The problem and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Cannot reach the connector (${this.operation}): ${this.reason}.`
  }
}

/** There is no connector of this name, or it has no such task. */
export class ConnectorMissing extends Schema.TaggedError<ConnectorMissing>()("ConnectorMissing", {
  name: Schema.String,
  task: Schema.optionalKey(Schema.Int),
  /** The only connectors, in a profile where no other can be registered. */
  only: Schema.optionalKey(Schema.Array(Schema.String))
}) {
  override get message() {
    if (this.only !== undefined) {
      return `There is no connector ${this.name}: the embedded profile has only its sink, ${this.only.join(", ")}.`
    }
    const register = `floe connector register${streamOfConnector(this.name) === undefined ? "" : ` ${this.name}`}`
    return this.task === undefined
      ? `There is no connector ${this.name}; create it with ${register}.`
      : `The connector ${this.name} has no task ${this.task}; floe connector status lists them.`
  }
}

/** Kafka Connect rejected the settings. */
export class ConnectorInvalid extends Schema.TaggedError<ConnectorInvalid>()("ConnectorInvalid", {
  name: Schema.String,
  /** Kafka Connect's own messages. */
  errors: Schema.Array(FieldErrors)
}) {
  override get message() {
    const lines = this.errors.flatMap(({ field, messages }) => messages.map((message) => `\n  ${field}: ${message}`))
    return `The settings of the connector ${this.name} are invalid:${lines.join("")}`
  }
}

/** Kafka Connect, or the embedded sink in its place, rejected the request; a retry does not help. */
export class ConnectRejected extends Schema.TaggedError<ConnectRejected>()("ConnectRejected", {
  operation: Schema.String,
  /** HTTP status of Kafka Connect's answer; absent for the embedded sink. */
  status: Schema.optionalKey(Schema.Int),
  reason: Schema.String
}) {
  override get message() {
    return this.status === undefined
      ? `The embedded sink does not support this (${this.operation}): ${this.reason}`
      : `Kafka Connect rejected the request (${this.operation}, ${this.status}): ${this.reason}`
  }
}

export type ConnectError = ConnectUnavailable | ConnectRejected

export class Connector extends Context.Service<
  Connector,
  {
    /** Validates the settings, then creates or updates the connector; does nothing if it already has these settings. */
    readonly register: (
      name: string,
      config: ConnectorConfig
    ) => Effect.Effect<"created" | "updated" | "unchanged", ConnectError | ConnectorInvalid>
    /** The invalid settings; empty if all are valid. */
    readonly validate: (
      name: string,
      config: ConnectorConfig
    ) => Effect.Effect<ReadonlyArray<FieldErrors>, ConnectError>
    /** All registered connectors. */
    readonly names: Effect.Effect<ReadonlyArray<string>, ConnectError>
    readonly config: (name: string) => Effect.Effect<ConnectorConfig, ConnectError | ConnectorMissing>
    readonly status: (name: string) => Effect.Effect<ConnectorStatus, ConnectError | ConnectorMissing>
    readonly pause: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
    /** Like `pause`, but also ends the tasks, so that their readers leave their groups. `resume` starts them again. */
    readonly stop: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
    readonly resume: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
    /** Restarts the connector and its tasks, or only the failed ones. */
    readonly restart: (
      name: string,
      options?: { readonly onlyFailed?: boolean | undefined }
    ) => Effect.Effect<void, ConnectError | ConnectorMissing>
    readonly restartTask: (name: string, task: number) => Effect.Effect<void, ConnectError | ConnectorMissing>
    readonly remove: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
  }
>()("floe/services/Connector") {}
