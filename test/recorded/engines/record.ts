/**
 * Records what Spark did to tables that Floe wrote: for each case a data folder as `<case>.tar.gz`, and in cases.json the
 * rows that Spark reads in it. Run it after `npm run build`, with the engines that `npm run test:engines` needs:
 *   node test/recorded/engines/record.ts
 */
import { execFileSync } from "node:child_process"
import { readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { commitLogged } from "../../support/committedLog.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { Engines, layer as engines } from "../../engines/engines.ts"
import { reading } from "../../support/weatherTable.ts"

const [first, second] = ["2026-01-08-14", "2026-01-08-15"]

/** Two commits. */
const logged = [
  [
    reading("Oslo", "41.50", first),
    reading("Lima", "72.50", first),
    reading("Lima", "72.50", first),
    reading("東京 🌧️", "1e2", first),
    reading("Oslo", "40.25", second),
    reading("Pune", "80.59", second)
  ],
  [reading("Kiel", "50", first), reading("Oslo", "39.75", second), reading(`"'\\`, "-0", second)]
]

const mergeOnRead = "ALTER TABLE weather SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')"
const third = "2026-01-08-16"
const insert = `INSERT INTO weather VALUES ('Spark', '1', '${first}'), ('Spark', '2', '${third}')`
const rewrite = "CALL system.rewrite_data_files(table => 'default.weather', options => map('rewrite-all', 'true'))"
const expire =
  "CALL system.expire_snapshots(table => 'default.weather', retain_last => 1, older_than => TIMESTAMP '2100-01-01 00:00:00')"

/** Statements of Spark; `snapshot` is the newest one that Floe made. */
const cases: Record<string, (snapshot: string) => ReadonlyArray<string>> = {
  insert: () => [insert],
  delete: () => ["DELETE FROM weather WHERE city = 'Oslo'"],
  update: () => ["UPDATE weather SET temperature = '0' WHERE city = 'Kiel'"],
  rewrite: () => [rewrite],
  expired: () => ["DELETE FROM weather WHERE city = 'Oslo'", insert, rewrite, expire],
  "rolled-back": (snapshot) => [
    insert,
    `CALL system.rollback_to_snapshot(table => 'default.weather', snapshot_id => ${snapshot})`
  ],
  "position-deletes": () => [mergeOnRead, "DELETE FROM weather WHERE city IN ('Lima', 'Pune')", insert],
  "column-added": () => [
    "ALTER TABLE weather ADD COLUMN humidity INT",
    `INSERT INTO weather VALUES ('Spark', '1', '${first}', 55), ('Spark', '2', '${third}', NULL)`
  ],
  "column-renamed": () => [
    "ALTER TABLE weather RENAME COLUMN temperature TO degrees",
    `INSERT INTO weather VALUES ('Spark', '1', '${first}')`
  ],
  "column-dropped": () => ["ALTER TABLE weather DROP COLUMN temperature"],
  "partition-added": () => [
    "ALTER TABLE weather ADD PARTITION FIELD city",
    `INSERT INTO weather VALUES ('Spark', '1', '${first}'), ('Oslo', '2', '${third}')`
  ],
  "partition-dropped": () => [
    "ALTER TABLE weather DROP PARTITION FIELD ts",
    `INSERT INTO weather VALUES ('Spark', '1', '${first}'), ('Oslo', '2', '${third}')`
  ],
  "deletion-vectors": () => [
    "ALTER TABLE weather SET TBLPROPERTIES ('format-version' = '3')",
    mergeOnRead,
    "DELETE FROM weather WHERE city = 'Lima'"
  ],
  orc: () => ["ALTER TABLE weather SET TBLPROPERTIES ('write.format.default' = 'orc')", insert],
  "equality-deletes": () => []
}

const record = Effect.fnUntraced(function* (name: string, statements: (snapshot: string) => ReadonlyArray<string>) {
  const root = join(yield* temporaryFolder, "data")
  for (const records of logged) yield* commitLogged(root, records)
  const { spark, deleteEqual } = yield* Engines
  const { table, warehouse } = yield* DataFolder.pipe(Effect.provide(at(root)))
  const snapshots = yield* spark(warehouse, "SELECT CAST(snapshot_id AS STRING) FROM default.weather.snapshots ORDER BY committed_at DESC")
  const run = statements(String(snapshots.rows[0]?.[0]))
  for (const statement of run) yield* spark(warehouse, statement)
  if (name === "equality-deletes") yield* deleteEqual(table, { ts: first, column: "city", value: "Lima" })
  const { columns, rows } = yield* spark(warehouse, "SELECT * FROM weather ORDER BY ALL")
  for (const file of readdirSync(root)) {
    if (!/^(log\.(db|end)|warehouse)$/.test(file)) rmSync(join(root, file))
  }
  execFileSync("tar", ["-czf", join(import.meta.dirname, `${name}.tar.gz`), "--owner=0", "--group=0", "-C", root, "."])
  return { statements: run, columns, rows }
}, Effect.scoped)

const program = Effect.gen(function* () {
  const recorded: Record<string, unknown> = {}
  for (const [name, statements] of Object.entries(cases)) {
    console.log(name)
    recorded[name] = yield* record(name, statements)
  }
  writeFileSync(join(import.meta.dirname, "cases.json"), `${JSON.stringify(recorded, null, 2)}\n`)
})

await Effect.runPromise(program.pipe(Effect.provide(engines)))
