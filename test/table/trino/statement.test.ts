import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { tokens, trimStatement } from "../../../layers/table/trino/statement.ts"
import { atSnapshot, withOriginalLines } from "../../../layers/table/trino/timeTravel.ts"

const id = "4711"
const view = "SELECT * FROM iceberg.default.weather FOR VERSION AS OF 4711"
const query = (sql: string) => Result.getOrThrow(atSnapshot(sql, id))
const rejected = (sql: string) => Result.getOrThrow(Result.flip(atSnapshot(sql, id)))

/** Names in these are not names of the statement. */
const opaque = fc
  .constantFrom(
    "iceberg.default.weather",
    "default.weather",
    "WITH weather AS (",
    "weather$files",
    ")",
    "(",
    ";",
    "--",
    "é☃"
  )
  .chain((inside) =>
    fc.constantFrom(
      `'it''s ${inside}'`,
      `"a ""b"" ${inside}"`,
      `/* ${inside} ' " */`,
      `-- ${inside} ' " /*\n`,
      `'${inside}'`
    )
  )
const gap = fc.constantFrom(" ", "\n", "\t", "\r\n", " -- it's\n", "/* ' */", "\n  ")
const plain = fc.constantFrom(
  "city",
  ", ts",
  "= 1.5e3",
  "(",
  ")",
  "|| 'x'",
  "other.weather.city",
  "x.default.weather",
  "*",
  "-",
  "/"
)
const qualified = fc.constantFrom(
  "iceberg.default.weather",
  'default . "weather"',
  '"iceberg".DEFAULT /* . */ . Weather'
)
const anything = fc.array(
  fc.oneof(opaque, gap, plain, fc.string({ unit: "binary" }), fc.constantFrom("'", '"', "/*", "*/", "--"))
)

describe("tokens of a statement", () => {
  it("together are the statement", () => {
    fc.assert(
      fc.property(anything, (parts) => {
        const sql = parts.join("")
        assert.strictEqual(
          tokens(sql)
            .map(({ text }) => text)
            .join(""),
          sql
        )
      })
    )
  })

  it("keep strings, quoted names and comments whole, whatever they contain", () => {
    fc.assert(
      fc.property(opaque, gap, plain, (whole, space, other) => {
        assert.include(
          tokens(`${other} ${whole}${space}${other}`).map(({ text }) => text),
          whole.startsWith("--") ? whole.slice(0, -1) : whole
        )
      })
    )
  })

  it("leave out the end that Trino rejects", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(gap, fc.constant(";"), fc.constant("/* ; */"))), (end) => {
        assert.strictEqual(trimStatement(`SELECT ';' -${end.join("")}`), "SELECT ';' -")
      })
    )
  })
})

describe("a query over a snapshot", () => {
  it("has one line before the query", () => {
    assert.strictEqual(query("SELECT count(*) FROM weather"), `WITH weather AS (${view})\nSELECT count(*) FROM weather`)
    assert.strictEqual(query("(TABLE weather)"), `WITH weather AS (${view})\n(TABLE weather)`)
  })

  it("keeps its own WITH", () => {
    assert.strictEqual(
      query("-- first\nwith a AS (SELECT * FROM weather)\nSELECT * FROM a"),
      `WITH weather AS (${view}),\n-- first\n     a AS (SELECT * FROM weather)\nSELECT * FROM a`
    )
    assert.strictEqual(
      query("WITH RECURSIVE t(n) AS (SELECT 1) SELECT * FROM t, weather"),
      `WITH RECURSIVE weather(city, temperature, ts) AS (${view}),\n               t(n) AS (SELECT 1) SELECT * FROM t, weather`
    )
  })

  it("replaces the table's qualifiers with spaces, and keeps every other character in place", () => {
    const part = fc.oneof(opaque, gap, plain)
    fc.assert(
      fc.property(fc.array(fc.tuple(part, qualified, part)), (parts) => {
        const open = parts.map(([before, , after]) => ` ${before} weather ${after} `)
        const sql = `SELECT weather${parts.map(([before, name, after]) => ` ${before} ${name} ${after} `).join("")}`
        const [, ...lines] = query(sql).split("\n")
        const body = lines.join("\n")
        assert.strictEqual(body.length, sql.length)
        for (const [at, character] of [...body].entries()) {
          if (character !== [...sql][at]) assert.strictEqual(character, " ")
        }
        const counting = (text: string) =>
          tokens(text)
            .filter(({ kind }) => kind !== "gap")
            .map(({ text }) => (/^"?weather"?$/i.test(text) ? "weather" : text))
        assert.deepStrictEqual(counting(body), counting(`SELECT weather${open.join("")}`))
      })
    )
  })

  it.each([
    ["SHOW TABLES", "only queries"],
    ["DELETE FROM weather", "only queries"],
    ["EXPLAIN SELECT * FROM weather", "only queries"],
    ["CREATE TABLE t AS SELECT * FROM weather", "only queries"],
    ["SELECT 1", "does not name it"],
    ["SELECT * FROM weather_2 WHERE city = 'weather' -- weather", "does not name it"],
    ['SELECT * FROM "weather$files"', 'the table "weather$files"'],
    ['SELECT * FROM iceberg.default."WEATHER$snapshots"', 'the table "weather$snapshots"'],
    ["SELECT * FROM weather FOR /* */ VERSION AS OF 1", "FOR VERSION"],
    ["SELECT * FROM weather FOR TIMESTAMP AS OF current_timestamp", "FOR VERSION"],
    ["WITH weather AS (SELECT 1) SELECT * FROM weather", "another name"],
    [
      'SELECT * FROM (WITH a AS (SELECT 1), "Weather" (a, b) /* */ AS (SELECT 1, (2)) SELECT * FROM weather)',
      "another name"
    ],
    ["WITH FUNCTION f(x bigint) RETURNS bigint RETURN x SELECT f(1) FROM weather", "functions"],
    ["WITH SESSION query_max_run_time = '1h' SELECT * FROM weather", "session properties"]
  ])("is rejected: %s", (sql, why) => {
    assert.include(rejected(sql), why)
    assert.match(rejected(sql), /^--as-of .*\.$/)
  })

  it.each([
    "SELECT weather AS x FROM weather",
    "SELECT * FROM weather AS weather",
    "WITH function AS (SELECT 1) SELECT * FROM weather, function",
    "SELECT version FROM weather FOR x",
    "SELECT count(*) FROM weather WHERE city IN (SELECT '(' FROM weather"
  ])("is not rejected: %s", (sql) => {
    assert.include(query(sql), "FOR VERSION AS OF 4711")
  })

  it("reports errors with the original line numbers", () => {
    assert.strictEqual(
      withOriginalLines("line 3:7: Column 'a' cannot be resolved"),
      "line 2:7: Column 'a' cannot be resolved"
    )
    assert.strictEqual(withOriginalLines("line 1:34: Table 'weather' does not exist"), "Table 'weather' does not exist")
    assert.strictEqual(withOriginalLines("line too long"), "line too long")
  })
})
