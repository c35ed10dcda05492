/**
 * SQL over the table. A query sees one snapshot from its start to its end.
 * Owns: running SQL, types, errors. Does not own: printing, the table's files.
 */
import { Context, type Effect, Schema, type Scope, type Stream } from "effect"
import type { AsOf, SnapshotMissing } from "./TableReader.ts"

export interface QueryColumn {
  readonly name: string
  /** The engine's name of the type: `VARCHAR`, `DOUBLE`. */
  readonly type: string
}

/** A JSON value: decimals, 64-bit integers and times are text, nested values are arrays and objects. */
export type QueryValue = Schema.Json

/** The stream of rows may fail halfway for the same reasons as the statement itself. */
export type QueryError = QueryFailed | QueryUnavailable | QueryCancelled

export interface QueryResult {
  readonly columns: ReadonlyArray<QueryColumn>
  /** Rows in chunks, one value per column. Read them once, within the scope. */
  readonly rows: Stream.Stream<ReadonlyArray<QueryValue>, QueryError>
}

/** Another writer committed first, or holds a lock; nothing was changed. */
export class WriteConflict extends Schema.TaggedError<WriteConflict>()("WriteConflict", { message: Schema.String }) {}

/** The statement names a table or a schema that is not there. */
export class RelationMissing extends Schema.TaggedError<RelationMissing>()("RelationMissing", {
  message: Schema.String
}) {}

/** The folder of a new table has files in it. */
export class LocationNotEmpty extends Schema.TaggedError<LocationNotEmpty>()("LocationNotEmpty", {
  message: Schema.String
}) {}

/** Anything else: the message is for a person. */
export class StatementFailed extends Schema.TaggedError<StatementFailed>()("StatementFailed", {
  message: Schema.String
}) {}

/** The engine rejected the statement, or failed to run it. The reason's message is the engine's own. */
export class QueryFailed extends Schema.TaggedError<QueryFailed>()("QueryFailed", {
  reason: Schema.Union([WriteConflict, RelationMissing, LocationNotEmpty, StatementFailed])
}) {
  override get message() {
    return this.reason.message
  }

  static because(message: string) {
    return new QueryFailed({ reason: new StatementFailed({ message }) })
  }
}

/** There is nothing to query, or the engine cannot be reached. May be retried. */
export class QueryUnavailable extends Schema.TaggedError<QueryUnavailable>()("QueryUnavailable", {
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The table cannot be queried: ${this.reason}.`
  }
}

/** The engine's administrator or another client cancelled the statement. */
export class QueryCancelled extends Schema.TaggedError<QueryCancelled>()("QueryCancelled", {
  /** The engine's own message. */
  reason: Schema.String
}) {
  override get message() {
    return `The query was cancelled in the engine: ${this.reason}`
  }
}

export class Query extends Context.Service<
  Query,
  {
    /** Runs one statement on the newest snapshot, or the requested one. An interruption cancels it in the engine. */
    readonly execute: (
      sql: string,
      options?: { readonly asOf?: AsOf | undefined }
    ) => Effect.Effect<QueryResult, QueryError | SnapshotMissing, Scope.Scope>
  }
>()("floe/services/Query") {}
