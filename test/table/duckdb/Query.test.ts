import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { at } from "../../../layers/runtime/DataFolder.ts"
import * as QueryLayer from "../../../layers/table/duckdb/Query.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { Query } from "../../../services/Query.ts"
import { temporary, temporaryFolder } from "../../support/dataFolder.ts"
import { readTable } from "../../support/readTable.ts"
import { weatherOnly } from "../../support/weatherOnly.ts"
import { commitRows, reading } from "../../support/weatherTable.ts"

const over = <E>(folder: Layer.Layer<DataFolder, E>) =>
  Layer.mergeAll(QueryLayer.layer.pipe(Layer.provide(weatherOnly)), TableWriterLayer.layer).pipe(
    Layer.provideMerge(LeasesLayer.layer),
    Layer.provideMerge(folder)
  )

const live = over(temporary)

const query = Effect.fnUntraced(function* (sql: string) {
  const { columns, rows } = yield* (yield* Query).execute(sql)
  return {
    columns: columns.map(({ name }) => name),
    types: columns.map(({ type }) => type),
    rows: yield* Stream.runCollect(rows)
  }
}, Effect.scoped)

const rowsOf = (sql: string) => Effect.map(query(sql), ({ rows }) => rows)
const failureOf = (sql: string) => Effect.map(Effect.flip(query(sql)), (error) => error.message)

const oslo = reading("Oslo", "41.50", "2026-01-08-14")
const lima = reading('Lima, "the" city', "72.50", "2026-01-08-14")
const pune = reading("पुणे 🌧️", "80.59", "2026-01-08-15")
const kiel = reading("Oslo", "43.50", "2026-01-08-16")

const Filled = Layer.effectDiscard(Effect.andThen(commitRows([oslo, lima]), commitRows([pune, kiel]))).pipe(
  Layer.provideMerge(live)
)

layer(Filled)("Query", (it) => {
  it.effect("runs the plan's statements, with and without semicolon and comments", () =>
    Effect.gen(function* () {
      for (const sql of [
        "SHOW CATALOGS",
        "show  catalogs ;",
        "-- Show catalogs\nSHOW CATALOGS;\n",
        "/* all */ SHOW -- of them\n CATALOGS -- now",
        `SHOW ${"/* ** */".repeat(100)} CATALOGS /**/`
      ]) {
        assert.deepStrictEqual(yield* query(sql), {
          columns: ["Catalog"],
          types: ["VARCHAR"],
          rows: [["iceberg"], ["system"]]
        })
      }
      assert.deepStrictEqual(yield* rowsOf("-- Show tables\nSHOW TABLES FROM iceberg.default;"), [["weather"]])
      const all = yield* query("SELECT * FROM iceberg.default.weather")
      assert.deepStrictEqual(all.columns, ["city", "temperature", "ts"])
      assert.deepStrictEqual(all.types, ["VARCHAR", "VARCHAR", "VARCHAR"])
      assert.sameDeepMembers(
        [...all.rows],
        [oslo, lima, pune, kiel].map((_) => [_.city, _.temperature, _.ts])
      )
      assert.deepStrictEqual(yield* rowsOf("SELECT city FROM iceberg.default.weather WHERE ts = '2026-01-08-15';"), [
        [pune.city]
      ])
      assert.deepStrictEqual(
        yield* rowsOf(
          "SELECT city, AVG(CAST(temperature AS DOUBLE)) as avg_temp\nFROM iceberg.default.weather\nGROUP BY city ORDER BY city;"
        ),
        [
          [lima.city, 72.5],
          ["Oslo", 42.5],
          [pune.city, 80.59]
        ]
      )
      assert.deepStrictEqual(yield* rowsOf("SELECT count(*) FROM weather"), [["4"]])
    })
  )

  const readOnly = "Only statements that read are allowed: SELECT, SHOW, DESCRIBE, SUMMARIZE, or EXPLAIN of a SELECT."

  it.effect("accepts only single statements that read", () =>
    Effect.gen(function* () {
      assert.include(yield* failureOf("SELEKT 1"), "Parser Error")
      assert.include(yield* failureOf("SELECT nothing FROM weather"), "Binder Error")
      assert.include(yield* failureOf("SELECT 1; SELECT 2"), "Give one statement at a time; there are 2.")
      assert.include(yield* failureOf("SELECT 1; DROP VIEW weather"), "Give one statement at a time; there are 2.")
      assert.include(yield* failureOf("DROP VIEW weather; SELECT 1"), "Give one statement at a time; there are 2.")
      assert.deepStrictEqual(yield* rowsOf("WITH update AS (SELECT 1 AS set) SELECT * FROM update"), [[1]])
      assert.include(yield* failureOf(" -- nothing\n ;"), "There is no statement")
      assert.deepStrictEqual(yield* rowsOf("DESCRIBE SELECT 1 AS one"), [["one", "INTEGER", "YES", null, null, null]])
      for (const sql of ["EXPLAIN SELECT 1", "EXPLAIN (SELECT 1)", "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1"]) {
        assert.strictEqual((yield* query(sql)).rows.length, 1, sql)
      }
      assert.include(yield* failureOf("SHOW /* all */ of /* them */ CATALOGS"), "Parser Error")
      assert.include(yield* failureOf(`SHOW ${"/**/".repeat(100)} nothing`), "Catalog Error")
      for (const sql of [
        "DELETE FROM weather",
        "DELETE FROM iceberg.default.weather WHERE city = 'Oslo; (DELETE)'",
        "-- begin\n /* no */ delete from weather;",
        "INSERT INTO weather VALUES ('Oslo', '1', '2026-01-08-14')",
        "INSERT OR REPLACE INTO weather SELECT * FROM weather",
        "UPDATE weather SET city = 'Lima'",
        "MERGE INTO weather USING weather AS w ON true WHEN MATCHED THEN DELETE",
        "WITH w AS (SELECT 1) DELETE FROM weather",
        "WITH w AS (SELECT 1), v AS (SELECT ')') INSERT INTO weather SELECT '', '', ''",
        "WITH w AS (SELECT 1) UPDATE weather SET city = ''",
        "TRUNCATE weather",
        "DROP TABLE weather",
        "DROP VIEW weather",
        "DROP TABLE IF EXISTS nothing",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE VIEW weather AS SELECT 1",
        "CREATE TABLE",
        "ALTER TABLE weather ADD COLUMN x INTEGER",
        "COMMENT ON TABLE weather IS 'x'",
        "ATTACH 'other.db'",
        "DETACH iceberg",
        "COPY weather TO 'x.csv'",
        "COPY weather FROM 'x.csv'",
        "EXPORT DATABASE 'x'",
        "IMPORT DATABASE 'x'",
        "SET memory_limit = '10GB'",
        "SET VARIABLE x = 1",
        "RESET memory_limit",
        "PRAGMA enable_profiling",
        "PRAGMA table_info('nothing')",
        "CALL pragma_version()",
        "USE memory",
        "LOAD httpfs",
        "INSTALL httpfs",
        "FORCE INSTALL httpfs",
        "CHECKPOINT",
        "VACUUM",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "DEALLOCATE p",
        "EXPLAIN DELETE FROM weather",
        "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
        "EXPLAIN /* */ ANALYZE /* */ CREATE TABLE t AS SELECT 1"
      ]) {
        assert.strictEqual(yield* failureOf(sql), readOnly, sql)
      }
    })
  )

  it.effect("keeps the types of values in JSON", () =>
    Effect.gen(function* () {
      const { types, rows } = yield* query(`SELECT
        1::TINYINT, 9007199254740993::BIGINT, 170141183460469231731687303715884105727::HUGEINT, 1.50::DECIMAL(9,2), 0.5::DOUBLE,
        'NaN'::DOUBLE, true, NULL, DATE '2026-01-08', TIMESTAMP '2026-01-08 14:05:06.25', TIME '14:05:06',
        TIMESTAMPTZ '2026-01-08 14:05:06.25+02:00', TIMESTAMPTZ '1969-12-31 23:59:59.999999+00', 'infinity'::TIMESTAMP,
        [1, 2], {'a': 'x', 'b': [NULL, 'y']}, MAP {'k': 1}, INTERVAL 90 MINUTE`)
      assert.deepStrictEqual(rows, [
        [
          1,
          "9007199254740993",
          "170141183460469231731687303715884105727",
          "1.50",
          0.5,
          "NaN",
          true,
          null,
          "2026-01-08",
          "2026-01-08T14:05:06.25",
          "14:05:06",
          "2026-01-08T12:05:06.25Z",
          "1969-12-31T23:59:59.999999Z",
          "infinity",
          [1, 2],
          { a: "x", b: [null, "y"] },
          [{ key: "k", value: 1 }],
          "01:30:00"
        ]
      ])
      assert.deepStrictEqual(types.slice(0, 5), ["TINYINT", "BIGINT", "HUGEINT", "DECIMAL(9,2)", "DOUBLE"])
    })
  )

  it.effect("can read and write nothing else on the machine", () =>
    Effect.gen(function* () {
      const { root, table } = yield* DataFolder
      const [file] = Option.getOrThrow(yield* readTable(table)).files
      assert.isDefined(file)
      const before = readdirSync(root, { recursive: true })
      const bytes = readFileSync(file.path)
      for (const sql of [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/etc/*')",
        `SELECT * FROM read_text('${join(table, "metadata", "v1.metadata.json")}')`,
        `COPY weather TO '${join(root, "stolen.csv")}'`,
        `COPY weather TO '${join(table, "stolen.csv")}'`,
        `COPY (SELECT 1) TO '${file.path}'`,
        `EXPLAIN ANALYZE COPY (SELECT 1) TO '${file.path}'`,
        `ATTACH '${join(table, "other.db")}'`,
        `EXPORT DATABASE '${join(table, "export")}'`,
        "INSTALL httpfs",
        "LOAD httpfs",
        "COPY weather TO '.tmp/stolen.csv'",
        "SELECT * FROM read_csv('http://127.0.0.1:9/')"
      ]) {
        assert.match(
          yield* failureOf(sql),
          /^Permission Error|^Only statements that read are allowed|^Catalog Error: Table with name \/etc|requires the extension httpfs/,
          sql
        )
      }
      // Each of these would end the process.
      for (const sql of [
        `SELECT * FROM enable_logging(storage = 'file', storage_path = '${join(table, "log")}')`,
        `FROM "Enable_Logging" /* ( */ (storage = 'file', storage_path = '${join(table, "log")}')`,
        "FROM query\u200b('SELECT 1')",
        "FROM query-- ends here\r('SELECT 1')",
        "FROM query/* /* */ */('SELECT 1')",
        `FROM query${"/**/".repeat(100)}('SELECT 1')`,
        `FROM query('SELECT * FROM enable_' || 'logging(storage = ''file'', storage_path = ''/tmp/log'')')`,
        "SELECT * FROM arrow_scan(1::POINTER, 1::POINTER, 1::POINTER)"
      ]) {
        assert.match(yield* failureOf(sql), /^The function \w+ cannot be used in a query\.$/, sql)
      }
      assert.deepStrictEqual(readdirSync(root, { recursive: true }), before)
      assert.isTrue(bytes.equals(readFileSync(file.path)))
      assert.isFalse(existsSync(".tmp"))
    })
  )

  it.effect("fails if the statement fails halfway, instead of ending the rows", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const failure = yield* Effect.gen(function* () {
        const { rows } = yield* (yield* Query).execute(
          "SELECT CASE WHEN range > 300000 THEN error('half way') ELSE range END FROM range(600000)"
        )
        return yield* Effect.flip(Stream.runForEachArray(rows, (chunk) => Effect.sync(() => seen.push(chunk.length))))
      }).pipe(Effect.scoped)
      assert.strictEqual(failure._tag, "QueryFailed")
      assert.include(failure.message, "half way")
      assert.isAbove(seen.length, 0)
    })
  )

  it.effect("cancels the statement in the engine when it is interrupted", () =>
    Effect.gen(function* () {
      const busyMicros = () => process.cpuUsage().user
      const before = busyMicros()
      const running = yield* Effect.forkChild(
        query("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")
      )
      // Nothing but the statement itself takes so much of the processor; it would run for hours.
      while (busyMicros() - before < 700_000) {
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
      }
      const leases = yield* Leases
      assert.strictEqual((yield* leases.held).size, 1)
      yield* Fiber.interrupt(running)
      assert.strictEqual((yield* leases.held).size, 0)
      assert.deepStrictEqual(yield* rowsOf("SELECT 1"), [[1]])
    })
  )

  it.effect("reads a partition from its own files only", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const [first, ...others] = Option.getOrThrow(yield* readTable(table)).files
      assert.isDefined(first)
      assert.isAbove(others.length, 1)
      const count = `SELECT count(*) FROM weather WHERE ts = '${first.ts}'`
      const expected = [[String(first.rows)]]
      assert.deepStrictEqual(yield* rowsOf(count), expected)
      const contents = others.map((file) => readFileSync(file.path))
      for (const file of others) writeFileSync(file.path, "no parquet")
      assert.deepStrictEqual(yield* rowsOf(count), expected)
      assert.match(
        yield* failureOf("SELECT count(city) FROM weather"),
        /^The table cannot be queried: its data file .*\.parquet has 10 bytes instead of \d+; floe doctor .*floe rebuild --into weather_again --promote/
      )
      others.forEach((file, i) => {
        const content = contents[i]
        if (content !== undefined) writeFileSync(file.path, content)
      })
    })
  )
})

describe("Query", () => {
  it.effect("takes no column from the names of folders above the table", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const inFolder = at(join(folder, "city=Paris", "ts=1999-01-01-00"))
      const rows = Effect.andThen(
        commitRows([oslo, pune]),
        rowsOf(`SELECT * FROM weather WHERE ts = '${oslo.ts}' OR ts < '2000'`)
      )
      const seen = yield* Effect.provide(rows, Layer.fresh(over(inFolder)))
      assert.deepStrictEqual(seen, [[oslo.city, oslo.temperature, oslo.ts]])
    }).pipe(Effect.scoped)
  )
})

describe("Query and a table that changes", () => {
  it.effect("without a table, fails with what to do", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const error = yield* Effect.flip(query("SELECT * FROM weather"))
      assert.strictEqual(error._tag, "QueryUnavailable")
      assert.include(error.message, `there is no table yet at ${table}; start the sink`)
    }).pipe(Effect.provide(live))
  )

  it.effect("continues without a lease if none can be acquired", () =>
    Effect.gen(function* () {
      yield* commitRows([oslo])
      writeFileSync((yield* DataFolder).leases, "a file where the folder of leases belongs")
      assert.strictEqual((yield* Effect.flip((yield* Leases).held))._tag, "LeaseUnavailable")
      assert.deepStrictEqual(yield* rowsOf("SELECT city FROM weather"), [["Oslo"]])
    }).pipe(Effect.provide(live))
  )

  it.effect("sees the snapshot at its start, under a lease that ends with it", () =>
    Effect.gen(function* () {
      const first = yield* commitRows([oslo])
      const leases = yield* Leases
      const scope = yield* Scope.make()
      const { rows } = yield* Scope.provide((yield* Query).execute("SELECT city FROM weather"), scope)
      assert.deepStrictEqual(yield* leases.held, new Set([String(first.snapshotId)]))
      yield* commitRows([pune])
      assert.deepStrictEqual(yield* Stream.runCollect(rows), [["Oslo"]])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* leases.held, new Set())
      assert.deepStrictEqual(yield* rowsOf("SELECT count(*) FROM weather"), [["2"]])
    }).pipe(Effect.provide(live))
  )
})
