/**
 * A fresh in-memory DuckDB in which each table of `iceberg."default"` is a snapshot, and which reads the files of these
 * snapshots and nothing else of the machine.
 */
import { availableParallelism } from "node:os"
import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api"
import { Effect, Stream } from "effect"
import { QueryFailed, type QueryResult, type QueryUnavailable } from "../../../services/Query.ts"
import { weather } from "../../../services/TableReader.ts"
import { DuckDBInstance, StatementType } from "../parquet/duckdb.ts"
import { list, pattern } from "../parquet/literals.ts"
import { converter } from "./queryValues.ts"
import { explained, isChange, refusedFunction } from "./statement.ts"
import { explainDamage } from "./tableDamage.ts"
import type { TableRows } from "./tableRows.ts"

/** Nothing is spilled to disk: what needs more memory fails. */
const memoryLimit = "512MB"

/** Only the snapshots' own files may be read, and no file may be made beside them. */
const setup = (files: TableRows["files"]) => {
  const paths = files.map((file) => file.path)
  return `
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

/** The first of the files whose columns have no ids. */
const withoutIds = (files: TableRows["files"]) => `
    SELECT file_name FROM parquet_schema(${list(files.map(({ path }) => pattern(path)))})
    GROUP BY file_name HAVING count(field_id) = 0 LIMIT 1
  `

const failed = (cause: unknown) =>
  new QueryFailed({
    reason: (cause instanceof Error ? cause.message : String(cause))
      .replace("Failed to extract statements: ", "")
      .trim()
  })

const readOnly =
  "Only statements that read are allowed, such as SELECT, SHOW, DESCRIBE, SUMMARIZE and EXPLAIN of a SELECT"

/** Runs the engine; an interruption cancels the statement and waits until the engine has let go of it. */
const run = <A>(connection: DuckDBConnection, evaluate: () => Promise<A>) =>
  Effect.callback<A, QueryFailed>((resume) => {
    const running = evaluate()
    running.then(
      (value) => resume(Effect.succeed(value)),
      (cause) => resume(Effect.fail(failed(cause)))
    )
    return Effect.promise(() => {
      // An interrupt that comes before the statement has started is forgotten, so it is said again.
      const again = setInterval(() => connection.interrupt(), 10)
      connection.interrupt()
      return running.then(
        () => clearInterval(again),
        () => clearInterval(again)
      )
    })
  })

/** `rows` are those of the table weather. */
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
    yield* run(connection, () => connection.run(setup(files)))
    if (byId.length > 0) {
      const found = yield* run(connection, () => connection.runAndReadAll(withoutIds(byId)))
      const [name] = found.getColumnsJson()[0] ?? []
      if (name !== undefined) {
        return yield* new QueryFailed({
          reason: `The table's columns were changed, and its data file ${name} does not say which of them it has; let the engine that added it rewrite it.`
        })
      }
    }
    yield* run(connection, () => connection.run(define(tables)))
  })
  yield* prepared.pipe(explainDamage({ files }))

  const prepare = Effect.fnUntraced(function* (sql: string): Effect.fn.Return<DuckDBPreparedStatement, QueryFailed> {
    const refused = refusedFunction(sql)
    if (refused !== undefined) {
      return yield* new QueryFailed({ reason: `The function ${refused} cannot be used in a query.` })
    }
    const refusal = isChange(sql) ? Effect.fail(new QueryFailed({ reason: `${readOnly}.` })) : undefined
    const statements = yield* Effect.catch(
      run(connection, () => connection.extractStatements(sql)),
      (error) => refusal ?? Effect.fail(error)
    )
    if (statements.count !== 1) {
      if (refusal !== undefined) return yield* refusal
      return yield* new QueryFailed({ reason: `One statement at a time; there are ${statements.count}.` })
    }
    const statement = yield* Effect.catch(
      run(connection, () => statements.prepare(0)),
      (error) => refusal ?? Effect.fail(error)
    )
    if (statement.statementType === StatementType.SELECT) return statement
    const inner = statement.statementType === StatementType.EXPLAIN ? explained(sql) : undefined
    if (inner === undefined) return yield* new QueryFailed({ reason: `${readOnly}.` })
    yield* prepare(inner)
    return statement
  })

  /**
   * The engine ends a stream that fails half way as if its rows had ended (tried); only the transaction knows. The
   * reason is found by running the statement again, without its rows.
   */
  const confirm = Effect.fnUntraced(function* (sql: string) {
    const complete = yield* Effect.isSuccess(run(connection, () => connection.run("SELECT 1")))
    if (complete) return
    const second = yield* connect
    yield* run(second, () => second.run(`USE iceberg."default"`))
    yield* run(second, () => second.run(`EXPLAIN ANALYZE ${sql}`))
    return yield* new QueryFailed({ reason: "The engine stopped before the last row; try again." })
  }, Effect.scoped)

  const isReadable = (file: TableRows["files"][number]) =>
    Effect.isSuccess(
      Effect.scoped(
        Effect.flatMap(connect, (second) =>
          run(second, () =>
            second.run(`SELECT count(city || temperature || ts) FROM read_parquet(${list([pattern(file.path)])})`)
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
