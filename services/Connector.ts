/**
 * Connectors of Kafka Connect: what is registered, how it is, what it is told to do.
 * Owns: names, states, errors. Does not own: what a connector's settings mean, whether it makes progress.
 */
import { Context, type Effect, Schema } from "effect"

/** The connector that writes the topic into the table. */
export const sinkConnector = "iceberg-sink"

/** Settings of a connector by their names in Kafka Connect. */
export const ConnectorConfig = Schema.Record(Schema.String, Schema.String)
export type ConnectorConfig = typeof ConnectorConfig.Type

const Running = {
  /** RUNNING, PAUSED, FAILED, UNASSIGNED, RESTARTING or STOPPED. */
  state: Schema.String,
  worker: Schema.NullOr(Schema.String),
  /** Why it failed: a stack trace; null otherwise. */
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

/** Kafka Connect cannot be reached, is starting or rebalances; the same call may be tried again. */
export class ConnectUnavailable extends Schema.TaggedError<ConnectUnavailable>()("ConnectUnavailable", {
  operation: Schema.String,
  /** What is wrong, and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The connector cannot be reached (${this.operation}): ${this.reason}.`
  }
}

/** There is no connector of that name, or it has no such task. */
export class ConnectorMissing extends Schema.TaggedError<ConnectorMissing>()("ConnectorMissing", {
  name: Schema.String,
  task: Schema.optionalKey(Schema.Int),
  /** The one that there is, where none can be made. */
  only: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    if (this.only !== undefined) {
      return `There is no connector ${this.name}: the embedded profile has one, its sink, under the name ${this.only}.`
    }
    return this.task === undefined
      ? `There is no connector ${this.name}; make it with floe connector register.`
      : `The connector ${this.name} has no task ${this.task}; floe connector status lists them.`
  }
}

/** Settings that Kafka Connect does not take. */
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

/** Kafka Connect refused or failed the call; trying the same again does not help. */
export class ConnectRefused extends Schema.TaggedError<ConnectRefused>()("ConnectRefused", {
  operation: Schema.String,
  /** Kafka Connect's, and its own message as the reason. */
  status: Schema.optionalKey(Schema.Int),
  reason: Schema.String
}) {
  override get message() {
    return `It was refused (${this.operation}${this.status === undefined ? "" : `, ${this.status}`}): ${this.reason}`
  }
}

export type ConnectError = ConnectUnavailable | ConnectRefused

export class Connector extends Context.Service<
  Connector,
  {
    /** Creates or updates, after validating; with the settings it has, nothing is touched. */
    readonly register: (
      name: string,
      config: ConnectorConfig
    ) => Effect.Effect<"created" | "updated" | "unchanged", ConnectError | ConnectorInvalid>
    /** What is wrong with the settings; empty if nothing is. */
    readonly validate: (
      name: string,
      config: ConnectorConfig
    ) => Effect.Effect<ReadonlyArray<FieldErrors>, ConnectError>
    /** All that are registered. */
    readonly names: Effect.Effect<ReadonlyArray<string>, ConnectError>
    readonly config: (name: string) => Effect.Effect<ConnectorConfig, ConnectError | ConnectorMissing>
    readonly status: (name: string) => Effect.Effect<ConnectorStatus, ConnectError | ConnectorMissing>
    readonly pause: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
    /** As `pause`, and its tasks are ended: its readers leave their groups. `resume` starts it again. */
    readonly stop: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
    readonly resume: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
    /** The connector and its tasks, or only those of them that have failed. */
    readonly restart: (
      name: string,
      options?: { readonly onlyFailed?: boolean | undefined }
    ) => Effect.Effect<void, ConnectError | ConnectorMissing>
    readonly restartTask: (name: string, task: number) => Effect.Effect<void, ConnectError | ConnectorMissing>
    readonly remove: (name: string) => Effect.Effect<void, ConnectError | ConnectorMissing>
  }
>()("floe/services/Connector") {}
