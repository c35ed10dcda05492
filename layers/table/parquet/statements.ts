/** Runs statements on a connection to DuckDB, so that an interruption stops them. */
import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect } from "effect"
import { TableUnavailable } from "../../../services/TableWriter.ts"

const reasonOf = (cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause)
  return /no space left/i.test(message)
    ? "the disk is full; free some space, and it resumes by itself"
    : (message.split("\n")[0] ?? "").replace(/\.$/, "")
}

export const unavailable = (operation: string) => (cause: unknown) =>
  new TableUnavailable({ operation, reason: reasonOf(cause), cause })

const running = new WeakMap<DuckDBConnection, Promise<unknown>>()

/** Interrupts the connection's statement and waits for its end. */
export const stop = (connection: DuckDBConnection) =>
  Effect.promise(async () => {
    connection.interrupt()
    await running.get(connection)?.catch(() => undefined)
  })

/** The rows as JSON objects. An interruption stops the statement and waits for its end. */
export const execute = (connection: DuckDBConnection, operation: string, sql: string) =>
  Effect.callback<unknown, TableUnavailable>((resume) => {
    const result = connection.runAndReadAll(sql)
    running.set(connection, result)
    result.then(
      (rows) => resume(Effect.sync(() => rows.getRowObjectsJson())),
      (cause) => resume(Effect.fail(unavailable(operation)(cause)))
    )
    return stop(connection)
  })
