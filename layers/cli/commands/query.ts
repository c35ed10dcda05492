import { Effect, Option, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Query } from "../../../services/Query.ts"
import * as Profile from "../../profile/Profile.ts"
import { asOfFlag } from "../terminal/asOfFlag.ts"
import { csv, json, ndjson } from "../terminal/formats.ts"
import { table } from "../terminal/formatTable.ts"
import { outputWidth, print } from "../terminal/Output.ts"
import { prompt } from "../terminal/prompt.ts"
import { usageError } from "../terminal/usageError.ts"

/** The statement from the argument, the file, or standard input; none to prompt for statements. */
const statement = Effect.fnUntraced(function* (sql: Option.Option<string>, file: Option.Option<string>) {
  if (Option.isSome(sql) && Option.isSome(file)) {
    return yield* usageError(["floe", "query"], "Give the statement as an argument or with --file, not both.")
  }
  const given = Option.orElse(sql, () => file)
  if (Option.isSome(given)) return given
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdinIsTerminal)) {
    return Option.some(yield* stdio.stdin.pipe(Stream.decodeText, Stream.mkString))
  }
  if (yield* stdio.stdoutIsTerminal) return Option.none()
  return yield* usageError(["floe", "query"], 'Give a statement (for example, "SELECT * FROM weather LIMIT 10").')
})

const formats = { csv, json, ndjson }

const noResult = { table: "Done; the statement returned no rows.\n", csv: "", json: "[]\n", ndjson: "" }

export const query = Command.make(
  "query",
  {
    sql: Argument.String("sql").pipe(Argument.withDescription("One SQL statement"), Argument.optional),
    file: Flag.FileText("file").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Read the statement from this file"),
      Flag.optional
    ),
    format: Flag.Literals("format", ["table", "json", "ndjson", "csv"]).pipe(
      Flag.withDescription("Output format"),
      Flag.withDefault("table")
    ),
    asOf: asOfFlag
  },
  Effect.fn("floe query")(function* ({ asOf, sql, file, format }) {
    const { execute } = yield* Query
    const run = Effect.fnUntraced(function* (sql: string) {
      const { columns, rows } = yield* execute(sql, { asOf: Option.getOrUndefined(asOf) })
      if (columns.length === 0) {
        yield* Stream.runDrain(rows)
        return yield* print(Stream.make(noResult[format]))
      }
      const width = yield* outputWidth
      yield* print(format === "table" ? table(columns, rows, width) : formats[format](columns, rows))
    }, Effect.scoped)
    const given = yield* statement(sql, file)
    if (Option.isSome(given)) yield* run(given.value)
    else yield* prompt(run)
  })
).pipe(
  Command.withDescription(
    "Query the tables with SQL: iceberg.default.weather (city, temperature, ts), and the table of each stream of your own, under the stream's name. Each statement reads one snapshot of each table from start to end. Without a statement, on a terminal, floe query prompts for statements. With --as-of, the distributed profile accepts only queries (SELECT, WITH, VALUES or TABLE)."
  ),
  Command.withShortDescription("Query the tables with SQL"),
  Command.withExamples([
    { command: 'floe query "SELECT * FROM iceberg.default.weather LIMIT 10"', description: "Look at some rows" },
    {
      command: `floe query "SELECT count(*) FROM weather WHERE ts = '2026-01-08-14'"`,
      description: "Count the rows of an hour, reading only its files"
    },
    {
      command:
        'floe query --format csv "SELECT city, AVG(CAST(temperature AS DOUBLE)) FROM weather GROUP BY city" > avg.csv',
      description: "Write averages to a file"
    },
    {
      command: 'floe query "SELECT device, avg(celsius) FROM readings GROUP BY device"',
      description: "Query the table of a stream of your own"
    },
    {
      command: 'floe query --as-of 2026-01-08T14:30 "SELECT count(*) FROM weather"',
      description: "Query the table as it was at 14:30 UTC"
    },
    { command: "floe query", description: "Prompt for statements, each ending with a semicolon" },
    { command: 'echo "SHOW TABLES FROM iceberg.default" | floe query', description: "Read the statement from a pipe" }
  ]),
  Command.provide(Profile.layer("query"))
)
