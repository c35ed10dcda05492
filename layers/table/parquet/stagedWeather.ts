/** Weather records, staged in a table of DuckDB. */
import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect } from "effect"
import type { LogRecord } from "../../../services/EventLog.ts"
import { columns } from "../../../services/Weather.ts"
import { quoted } from "./literals.ts"
import type { Staging } from "./Staging.ts"
import { execute } from "./statements.ts"

const create = `CREATE OR REPLACE TABLE staged (${columns.map((column) => `${column} VARCHAR`).join(", ")})`

const rowsBetween = (first: string, last: string) =>
  `(SELECT * FROM staged WHERE ts BETWEEN ${quoted(first)} AND ${quoted(last)})`

export const make = Effect.fnUntraced(function* (connection: DuckDBConnection, maxPartitions: number) {
  yield* execute(connection, "starting DuckDB", create)
  let rows = 0
  let bytes = 0
  const hours = new Set<string>()

  const append = async (records: ReadonlyArray<LogRecord>) => {
    let characters = 0
    const staged: Array<string> = []
    const appender = await connection.createAppender("staged")
    await connection.run("BEGIN")
    try {
      for (const record of records) {
        if (typeof record === "string") throw new Error("an event of another stream is no weather record")
        for (const column of columns) appender.appendVarchar(record[column])
        appender.endRow()
        staged.push(record.ts)
        characters += record.city.length + record.temperature.length
      }
      appender.closeSync()
      await connection.run("COMMIT")
    } catch (cause) {
      // Otherwise it appends the rows that it still holds when it is garbage-collected.
      appender.clear()
      await connection.run("ROLLBACK").catch(() => undefined)
      throw cause
    }
    rows += records.length
    bytes += characters
    for (const ts of staged) hours.add(ts)
  }

  const staging: Staging = {
    append,
    staged: () => ({ rows, bytes }),
    sources: () =>
      Effect.sync(() => {
        const ordered = [...hours].sort()
        return Array.from({ length: Math.ceil(ordered.length / maxPartitions) }, (_, i) => {
          const group = ordered.slice(i * maxPartitions, (i + 1) * maxPartitions)
          return rowsBetween(group[0] ?? "", group.at(-1) ?? "")
        })
      }),
    clear: Effect.fnUntraced(function* (operation: string) {
      yield* execute(connection, operation, create)
      rows = 0
      bytes = 0
      hours.clear()
    })
  }
  return staging
})
