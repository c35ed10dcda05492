/** Floe continues with a table that Spark has written to: both read the same rows. */
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { commitLogged } from "../support/committedLog.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { someRows } from "../support/icebergTable.ts"
import { floe } from "../support/program.ts"
import { Engines, layer as engines } from "./engines.ts"

const sorted = (rows: ReadonlyArray<unknown>) => rows.map((row) => JSON.stringify(row)).sort()

const query = Effect.fnUntraced(function* (root: string) {
  const { code, err, out } = yield* floe(["query", "--format", "ndjson", "SELECT * FROM weather"], { FLOE_DATA: root })
  assert.strictEqual(code, 0, err)
  return out.trim().split("\n")
})

layer(engines, { timeout: 240_000, excludeTestServices: true })("a table to which Spark writes", (it) => {
  it.effect("keeps its deletes, rows and columns, whatever Floe commits and merges afterwards", () =>
    Effect.gen(function* () {
      const { deleteEqual, spark } = yield* Engines
      const root = join(yield* temporaryFolder, "data")
      const warehouse = join(root, "warehouse")
      const run = (sql: string) => spark(warehouse, sql)
      const assertSame = Effect.gen(function* () {
        const { columns, rows } = yield* run("SELECT * FROM weather")
        const bySpark = rows.map((row) => JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, row[i]]))))
        assert.deepStrictEqual((yield* query(root)).sort(), bySpark.sort())
        return rows
      })
      for (const label of ["a", "b", "c"]) yield* commitLogged(root, someRows(4, label))

      yield* run("ALTER TABLE weather SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
      yield* run("DELETE FROM weather WHERE city IN ('a 1', 'c 3')")
      assert.strictEqual((yield* assertSame).length, 10)
      yield* run("ALTER TABLE weather ADD COLUMN humidity INT")
      yield* run("INSERT INTO weather VALUES ('Spark', '1', '2026-01-08-14', 55)")
      assert.strictEqual((yield* assertSame).length, 11)

      for (const label of ["d", "e", "f"]) yield* commitLogged(root, someRows(4, label))
      assert.strictEqual((yield* assertSame).length, 23)
      const maintained = yield* floe(["maintain"], { FLOE_DATA: root })
      assert.match(maintained.out, /Merged \d+ files/, maintained.err)
      const rows = yield* assertSame
      assert.strictEqual(rows.length, 23)
      assert.includeMembers(sorted(rows), sorted([["Spark", "1", "2026-01-08-14", 55]]))

      const audit = yield* floe(["audit"], { FLOE_DATA: root })
      assert.strictEqual(audit.code, 0, audit.out + audit.err)
      assert.match(audit.out, /changed by another writer: snapshot \d+ by spark, \+0 −2 rows/)
      assert.match(audit.out, /changed by another writer: snapshot \d+ by spark, \+1 −0 rows/)

      yield* run("CALL system.rewrite_data_files(table => 'default.weather', options => map('rewrite-all', 'true'))")
      assert.strictEqual((yield* assertSame).length, 23)
      const after = yield* floe(["audit"], { FLOE_DATA: root })
      assert.strictEqual(after.code, 0, after.out + after.err)

      const table = join(warehouse, "default", "weather")
      yield* deleteEqual(table, { ts: "2026-01-08-14", column: "city", value: "b 2" })
      const rejected = yield* floe(["query", "SELECT * FROM weather"], { FLOE_DATA: root })
      assert.match(
        rejected.err.replaceAll(/\s+/g, " "),
        /deletes rows by their values \(equality deletes\), which Floe cannot/
      )
      // The command that doctor advises.
      yield* run("CALL system.rewrite_data_files(table => 'default.weather', options => map('rewrite-all', 'true'))")
      assert.strictEqual((yield* assertSame).length, 22)
    }).pipe(Effect.scoped)
  )
})
