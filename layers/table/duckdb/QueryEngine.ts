/**
 * A new in-memory DuckDB in which each table of `iceberg."default"` is a snapshot. It can read the files of these
 * snapshots and no other file of the machine.
 */
import { availableParallelism } from "node:os"
import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api"
import { Effect, Stream } from "effect"
import { QueryFailed, type QueryResult, type QueryUnavailable } from "../../../services/Query.ts"
import { weather } from "../../../services/TableReader.ts"
import { DuckDBInstance, StatementType } from "../parquet/duckdb.ts"
import { list, pattern } from "../parquet/literals.ts"
import { converter } from "./queryValues.ts"
import { explained, forbiddenFunction, isChange } from "./statement.ts"
import { explainDamage } from "./tableDamage.ts"
import type { TableRows } from "./tableRows.ts"

/** Nothing spills to disk: a query that needs more memory fails. */
const memoryLimit = "512MB"

/** Allows reading the snapshots' own files, and no writing. */
const setup = (tables: ReadonlyArray<NamedTable>) => {
  const paths = tables.flatMap(({ rows: { files, lines = [] } }) => files.map((file) => file.path).concat(lines))
  return `
    SET GLOBAL TimeZone = 'UTC';
    ATTACH ':memory:' AS iceberg;
    CREATE SCHEMA iceberg."default";
    SET allowed_paths = ${list([...new Set([...paths, ...paths.map(pattern)])])};
    SET enable_external_access = false;
  `
}

export interface NamedTable {
  readonly name: string
  readonly rows: TableRows
}

const define = (tables: ReadonlyArray<NamedTable>) => `
    ${tables.map(({ name, rows }) => `CREATE VIEW iceberg."default"."${name}" AS ${rows.select};`).join("\n")}
    USE iceberg."default";
    SET lock_configuration = true;
  `

const withoutIds = (files: TableRows["files"]) => `
    SELECT file_name FROM parquet_schema(${list(files.map(({ path }) => pattern(path)))})
    GROUP BY file_name HAVING count(field_id) = 0 LIMIT 1
  `

const failed = (cause: unknown) =>
  QueryFailed.because(
    (cause instanceof Error ? cause.message : String(cause)).replace("Failed to extract statements: ", "").trim()
  )

const readOnly = "Only statements that read are allowed: SELECT, SHOW, DESCRIBE, SUMMARIZE, or EXPLAIN of a SELECT"

/** Runs the engine. An interruption cancels the statement and waits until the engine has stopped it. */
const run = <A>(connection: DuckDBConnection, evaluate: () => Promise<A>) =>
  Effect.callback<A, QueryFailed>((resume) => {
    const running = evaluate()
    running.then(
      (value) => resume(Effect.succeed(value)),
      (cause) => resume(Effect.fail(failed(cause)))
    )
    return Effect.promise(() => {
      // The engine ignores an interrupt that comes before the statement has started, so it is repeated.
      const repeated = setInterval(() => connection.interrupt(), 10)
      connection.interrupt()
      return running.then(
        () => clearInterval(repeated),
        () => clearInterval(repeated)
      )
    })
  })

/** Opens an engine on the table weather (`rows`) and other tables; it closes with the scope. */
export const open = Effect.fnUntraced(function* (rows: TableRows, others: ReadonlyArray<NamedTable> = []) {
  const tables = [{ name: weather, rows }, ...others]
  const files = tables.flatMap((table) => table.rows.files)
  const byId = tables.flatMap((table) => table.rows.byId)
  const instance = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        DuckDBInstance.create(":memory:", {
          threads: String(Math.min(4, availableParallelism())),
          memory_limit: memoryLimit,
          temp_directory: "",
          autoinstall_known_extensions: "false",
          autoload_known_extensions: "false"
        }),
      catch: failed
    }),
    (instance) => Effect.sync(() => instance.closeSync())
  )
  const connect = Effect.acquireRelease(
    Effect.tryPromise({ try: () => instance.connect(), catch: failed }),
    (connection) => Effect.sync(() => connection.disconnectSync())
  )
  const connection = yield* connect
  const prepared = Effect.gen(function* () {
    yield* run(connection, () => connection.run(setup(tables)))
    if (byId.length > 0) {
      const result = yield* run(connection, () => connection.runAndReadAll(withoutIds(byId)))
      const [name] = result.getColumnsJson()[0] ?? []
      if (name !== undefined) {
        return yield* QueryFailed.because(
          `The table's columns were changed, and its data file ${name} does not record which of them it has. Rewrite the file with the engine that added it.`
        )
      }
    }
    yield* run(connection, () => connection.run(define(tables)))
  })
  yield* prepared.pipe(explainDamage({ files }))

  const prepare = Effect.fnUntraced(function* (sql: string): Effect.fn.Return<DuckDBPreparedStatement, QueryFailed> {
    const forbidden = forbiddenFunction(sql)
    if (forbidden !== undefined) {
      return yield* QueryFailed.because(`The function ${forbidden} cannot be used in a query.`)
    }
    const rejection = isChange(sql) ? Effect.fail(QueryFailed.because(`${readOnly}.`)) : undefined
    const statements = yield* Effect.catch(
      run(connection, () => connection.extractStatements(sql)),
      (error) => rejection ?? Effect.fail(error)
    )
    if (statements.count !== 1) {
      if (rejection !== undefined) return yield* rejection
      return yield* QueryFailed.because(`Give one statement at a time; there are ${statements.count}.`)
    }
    const statement = yield* Effect.catch(
      run(connection, () => statements.prepare(0)),
      (error) => rejection ?? Effect.fail(error)
    )
    if (statement.statementType === StatementType.SELECT) return statement
    const inner = statement.statementType === StatementType.EXPLAIN ? explained(sql) : undefined
    if (inner === undefined) return yield* QueryFailed.because(`${readOnly}.`)
    yield* prepare(inner)
    return statement
  })

  /**
   * The engine ends a stream that fails halfway as if it were complete (tried with 1.5.5); only the transaction fails. To
   * get the reason, the statement runs again without its rows.
   */
  const confirm = Effect.fnUntraced(function* (sql: string) {
    const complete = yield* Effect.isSuccess(run(connection, () => connection.run("SELECT 1")))
    if (complete) return
    const second = yield* connect
    yield* run(second, () => second.run(`USE iceberg."default"`))
    yield* run(second, () => second.run(`EXPLAIN ANALYZE ${sql}`))
    return yield* QueryFailed.because("The engine stopped before the last row. Try again.")
  }, Effect.scoped)

  const isReadable = (file: TableRows["files"][number]) =>
    Effect.isSuccess(
      Effect.scoped(
        Effect.flatMap(connect, (second) =>
          run(second, () =>
            second.run(`SELECT count(hash(COLUMNS(*))) FROM read_parquet(${list([pattern(file.path)])})`)
          )
        )
      )
    )

  const execute = Effect.fnUntraced(function* (
    sql: string
  ): Effect.fn.Return<QueryResult, QueryFailed | QueryUnavailable> {
    yield* run(connection, () => connection.run("BEGIN TRANSACTION"))
    const explaining = explainDamage({ files, sql, isReadable })
    const statement = yield* prepare(sql).pipe(explaining)
    const result = yield* run(connection, () => statement.stream()).pipe(explaining)
    const columns = result.columnNames().map((name, i) => ({ name, type: result.columnType(i).toString() }))
    const chunk = Effect.gen(function* () {
      const chunk = yield* run(connection, () => result.fetchChunk())
      if (chunk !== null && chunk.rowCount > 0) {
        return yield* Effect.try({ try: () => chunk.convertRows(converter), catch: failed })
      }
      yield* confirm(sql)
      return undefined
    }).pipe(explaining)
    const rows = Stream.unfold(undefined, () =>
      Effect.map(chunk, (rows) => (rows === undefined ? undefined : ([rows, undefined] as const)))
    ).pipe(Stream.flattenIterable)
    return { columns, rows }
  })
  return { execute }
})
