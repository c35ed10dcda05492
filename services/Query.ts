/**
 * SQL over the table: one snapshot from the start of a query to its end.
 * Owns: running SQL, types, errors. Does not own: printing, the table's files.
 */
import { Context, type Effect, Schema, type Scope, type Stream } from "effect"
import type { AsOf, SnapshotMissing } from "./TableReader.ts"

export interface QueryColumn {
  readonly name: string
  /** The engine's name of the type, such as VARCHAR or DOUBLE. */
  readonly type: string
}

/** A value as JSON can carry it: decimals, 64-bit integers and times as text, nested values as arrays and objects. */
export type QueryValue = Schema.Json

/** Rows may fail half way for the same reasons as the statement itself. */
export type QueryError = QueryFailed | QueryUnavailable | QueryCancelled

export interface QueryResult {
  readonly columns: ReadonlyArray<QueryColumn>
  /** Rows in chunks, each with a value per column; to be read once, within the scope. */
  readonly rows: Stream.Stream<ReadonlyArray<QueryValue>, QueryError>
}

/** The engine refused or failed the statement; trying the same again does not help. */
export class QueryFailed extends Schema.TaggedError<QueryFailed>()("QueryFailed", {
  /** The engine's own message. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** There is nothing to query, or the engine cannot be reached; it may be tried again. */
export class QueryUnavailable extends Schema.TaggedError<QueryUnavailable>()("QueryUnavailable", {
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The table cannot be queried: ${this.reason}.`
  }
}

/** Someone else ended the statement in the engine: its administrator, or another client. */
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
    /** One statement, over the newest snapshot or the one asked for. Interrupting it cancels it in the engine. */
    readonly execute: (
      sql: string,
      options?: { readonly asOf?: AsOf | undefined }
    ) => Effect.Effect<QueryResult, QueryError | SnapshotMissing, Scope.Scope>
  }
>()("floe/services/Query") {}
