/** Spark, pyiceberg and DuckDB in one Python process per test file, which starts each engine on first use. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"

const Answer = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ columns: Schema.Array(Schema.String), rows: Schema.Array(Schema.Array(Schema.Json)) }),
    Schema.Struct({ error: Schema.String })
  ])
)

interface Rows {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<Schema.Json>>
}

export interface Comparison {
  readonly where: { readonly column: string; readonly is: "=" | "<" | ">="; readonly value: unknown }
  readonly columns: ReadonlyArray<string>
}

class EngineFailed extends Schema.TaggedError<EngineFailed>()("EngineFailed", { message: Schema.String }) {}

export class Engines extends Context.Service<
  Engines,
  {
    /** Runs a statement, for example `SELECT * FROM weather`, in the schema `default` of this warehouse's catalog. */
    readonly spark: (warehouse: string, sql: string) => Effect.Effect<Rows, EngineFailed>
    /** The rows of the table in this folder, at its version hint. */
    readonly pyiceberg: (tableFolder: string, filter?: string) => Effect.Effect<Rows, EngineFailed>
    readonly duckdb: (sql: string) => Effect.Effect<Rows, EngineFailed>
    /** As `spark`, with `:value` for a parameter, and values in canonical form. */
    readonly exactSpark: (warehouse: string, sql: string, value?: string) => Effect.Effect<Rows, EngineFailed>
    /** As `pyiceberg`, with values in canonical form: all rows, or some columns of those where a column compares so. */
    readonly exactPyiceberg: (tableFolder: string, some?: Comparison) => Effect.Effect<Rows, EngineFailed>
    /** As `duckdb`, with `?` for a parameter, and values in canonical form. */
    readonly exactDuckdb: (sql: string, value?: string) => Effect.Effect<Rows, EngineFailed>
    /** Deletes the rows of a partition whose column equals the value, with an equality delete file. */
    readonly deleteEqual: (
      tableFolder: string,
      row: { readonly ts: string; readonly column: string; readonly value: string }
    ) => Effect.Effect<Rows, EngineFailed>
  }
>()("floe/test/Engines") {}

export const missing = () =>
  ["FLOE_TEST_PYTHON", "FLOE_TEST_ICEBERG_JAR"].some((name) => !process.env[name])
    ? `These tests need Spark, pyiceberg and DuckDB; run: eval "$(test/engines/install.sh ~/.cache/floe-engines)", then npm run test:engines`
    : undefined

const start = Effect.gen(function* () {
  const reason = missing()
  if (reason !== undefined) return yield* new EngineFailed({ message: reason })
  const temporary = yield* temporaryFolder
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.env.FLOE_TEST_PYTHON ?? "", [join(import.meta.dirname, "engines.py")], {
        env: { ...process.env, FLOE_TEST_TEMPORARY: temporary },
        stdio: ["pipe", "pipe", "pipe"]
      })
    ),
    // At the end of its input, the process stops Spark and exits.
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.stdin.end()
      })
  )
  let printed = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    printed = `${printed}${text}`.slice(-4_000)
  })
  const waiting: Array<(answer: string | undefined) => void> = []
  createInterface(child.stdout).on("line", (line) => waiting.shift()?.(line))
  const over = () => {
    for (const answer of waiting.splice(0)) answer(undefined)
  }
  child.on("error", (error) => {
    printed += error.message
    over()
  })
  child.on("close", over)
  child.stdin.on("error", over)
  return {
    printed: () => printed,
    ask: (request: object) =>
      Effect.callback<string | undefined>((resume) => {
        waiting.push((answer) => resume(Effect.succeed(answer)))
        child.stdin.write(`${JSON.stringify(request)}\n`)
      })
  }
})

export const layer = Layer.effect(
  Engines,
  Effect.gen(function* () {
    const process = yield* start
    const oneAtATime = yield* Semaphore.make(1)
    const ask = Effect.fnUntraced(function* (request: object): Effect.fn.Return<Rows, EngineFailed> {
      const line = yield* process.ask(request)
      if (line === undefined) return yield* new EngineFailed({ message: `The engines exited: ${process.printed()}` })
      const answer = yield* Schema.decodeUnknownEffect(Answer)(line).pipe(
        Effect.mapError(() => new EngineFailed({ message: `The engines answered: ${line}` }))
      )
      if ("error" in answer) return yield* new EngineFailed({ message: answer.error })
      return answer
    }, oneAtATime.withPermit)
    return Engines.of({
      spark: (warehouse, sql) => ask({ engine: "spark", warehouse, sql }),
      pyiceberg: (table, filter) => ask({ engine: "pyiceberg", table, filter }),
      duckdb: (sql) => ask({ engine: "duckdb", sql }),
      exactSpark: (warehouse, sql, value) => ask({ engine: "spark", warehouse, sql, value, exact: true }),
      exactPyiceberg: (table, some) => ask({ engine: "pyiceberg", table, ...some, exact: true }),
      exactDuckdb: (sql, value) => ask({ engine: "duckdb", sql, value, exact: true }),
      deleteEqual: (table, row) => ask({ engine: "equality-delete", table, ...row })
    })
  })
)
