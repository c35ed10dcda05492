/** What Floe makes of tables on which Spark has worked. Rows are judged by those that Spark read in them. */

import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Scope, Stream } from "effect"
import * as EventLogReaderLayer from "../../layers/log/sqlite/EventLogReader.ts"
import { audit } from "../../layers/operate/audit/audit.ts"
import { table as tableCheck } from "../../layers/operate/doctor/embedded/table.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import * as QueryLayer from "../../layers/table/duckdb/Query.ts"
import * as TableChecksumsLayer from "../../layers/table/duckdb/TableChecksums.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { Query } from "../../services/Query.ts"
import type { TableWriter as Table } from "../../services/TableWriter.ts"
import { add, environmentAt, maintainAll, openWriter, someRows } from "../support/icebergTable.ts"
import { floe } from "../support/program.ts"
import { listSnapshots } from "../support/readTable.ts"
import { unpacked } from "../support/recordedTables.ts"
import { weatherOnly } from "../support/weatherOnly.ts"

const select = "SELECT * FROM iceberg.default.weather"

const query = (root: string, sql = select) =>
  Effect.gen(function* () {
    const { columns, rows } = yield* (yield* Query).execute(sql)
    return { columns: columns.map(({ name }) => name), rows: yield* Stream.runCollect(rows) }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      QueryLayer.layer.pipe(Layer.provide(weatherOnly)).pipe(Layer.provide(LeasesLayer.layer), Layer.provide(at(root)))
    )
  )

const audited = (root: string) =>
  audit({}).pipe(
    Effect.map(Option.getOrThrow),
    Effect.provide(
      Layer.merge(EventLogReaderLayer.layer, TableChecksumsLayer.layer.pipe(Layer.provide(LeasesLayer.layer)))
    ),
    Effect.provide(at(root))
  )

const sorted = (rows: ReadonlyArray<unknown>) => rows.map((row) => JSON.stringify(row)).sort()

/** A writer over the table, as the sink has it. */
const written = <A, E>(root: string, work: (writer: Table["Service"]) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(openWriter(), work).pipe(Effect.scoped, Effect.provide(environmentAt(root)))

describe("a table on which Spark has worked", () => {
  for (const [name, changes] of Object.entries({
    insert: [[2, 0]],
    delete: [[0, 3]],
    update: [[1, 1]],
    rewrite: [],
    "rolled-back": [],
    "position-deletes": [
      [0, 3],
      [2, 0]
    ],
    "column-added": [[2, 0]],
    "column-renamed": [[1, 0]],
    "partition-added": [[2, 0]],
    "partition-dropped": [[2, 0]]
  })) {
    it.effect(`${name}: a query returns its rows, and the audit reports what Spark has changed`, () =>
      Effect.gen(function* () {
        const { columns, root, rows } = yield* unpacked(name)
        const result = yield* query(root)
        assert.deepStrictEqual(result.columns, columns)
        assert.deepStrictEqual(sorted(result.rows), sorted(rows))
        const report = yield* audited(root)
        assert.deepStrictEqual([report.logged, report.inTable], [9, rows.length])
        assert.deepStrictEqual([report.missing, report.extra], [0, 0])
        assert.deepStrictEqual(report.unknown, [])
        assert.deepStrictEqual(
          report.changedByOthers.map(({ added, by, deleted }) => ({ added, by, deleted })),
          changes.map(([added, deleted]) => ({ added, by: "spark", deleted }))
        )
      }).pipe(Effect.scoped)
    )
  }

  for (const [name, reason] of Object.entries({
    "deletion-vectors": /metadata\.json has Iceberg format version 3; Floe reads version 2\.$/,
    orc: /\.orc is in the format ORC; Floe reads only Parquet\.$/,
    "equality-deletes": /equal-2\.parquet deletes rows by their values \(equality deletes\), which Floe cannot apply; /
  })) {
    it.effect(`${name}: query and audit fail and name it`, () =>
      Effect.gen(function* () {
        const { root } = yield* unpacked(name)
        assert.match((yield* Effect.flip(query(root))).message, reason)
        assert.match((yield* Effect.flip(audited(root))).message, reason)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("a row that Spark deleted stays deleted when the table is moved, written to and maintained", () =>
    Effect.gen(function* () {
      const { root, rows } = yield* unpacked("position-deletes")
      const more = Array.from({ length: 12 }, (_, i) => someRows(2, `more ${i}`))
      const done = yield* written(
        root,
        Effect.fnUntraced(function* (writer) {
          for (const some of more) yield* add(writer, some)
          return yield* maintainAll(writer)
        })
      )
      assert.isAbove(done.filesCompacted, 0)
      const expected = [...rows, ...more.flat().map(({ city, temperature, ts }) => [city, temperature, ts])]
      assert.deepStrictEqual(sorted((yield* query(root)).rows), sorted(expected))
    }).pipe(Effect.scoped)
  )

  it.effect("the audit reports what Spark has changed after the snapshots around it have expired", () =>
    Effect.gen(function* () {
      const { root, rows } = yield* unpacked("position-deletes")
      const writing = Effect.gen(function* () {
        const writer = yield* openWriter({ snapshotKeep: 2, metadataKeep: 0, timeTravel: 3_600_000 })
        const { progress } = Option.getOrThrow(yield* writer.committed)
        for (let i = 0; i < 8; i++) {
          yield* writer.commit(progress)
          yield* maintainAll(writer)
        }
      })
      yield* writing.pipe(Effect.scoped, Effect.provide(environmentAt(root)))
      assert.isAtMost((yield* listSnapshots(join(root, "warehouse", "default", "weather"))).length, 7)
      const report = yield* audited(root)
      assert.deepStrictEqual([report.missing, report.inTable], [0, rows.length])
      assert.deepStrictEqual(
        report.changedByOthers.map(({ added, by, deleted }) => ({ added, by, deleted })),
        [
          { added: 0, by: "spark", deleted: 3 },
          { added: 2, by: "spark", deleted: 0 }
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("what Spark's changes do not explain is still reported as missing or extra", () =>
    Effect.gen(function* () {
      const { root } = yield* unpacked("delete")
      yield* written(
        root,
        Effect.fnUntraced(function* (writer) {
          const before = Option.getOrThrow(yield* writer.committed)
          yield* writer.stage(someRows(1, "stray"))
          yield* writer.commit(before.progress)
        })
      )
      const report = yield* audited(root)
      assert.deepStrictEqual([report.missing, report.extra, report.inTable], [0, 1, 7])
      assert.deepStrictEqual(
        report.examples.map((one) => [one.kind, "city" in one ? one.city : one.row]),
        [["extra", "stray 0"]]
      )
      assert.deepStrictEqual(
        report.changedByOthers.map(({ added, deleted }) => [added, deleted]),
        [[0, 3]]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("changes in expired snapshots are reported as missing or extra, and the audit explains why", () =>
    Effect.gen(function* () {
      const { root, rows } = yield* unpacked("expired")
      assert.deepStrictEqual(sorted((yield* query(root)).rows), sorted(rows))
      const report = yield* audited(root)
      assert.deepStrictEqual([report.missing, report.extra], [3, 2])
      assert.match(
        report.unknown.join(),
        /^The snapshots before \d+ have expired, so changes of other writers in them cannot be distinguished from lost rows/
      )
    }).pipe(Effect.scoped)
  )

  it.effect("a promotion checks again if another program commits at that moment", () =>
    Effect.gen(function* () {
      const { root } = yield* unpacked("rewrite")
      let asked = 0
      const work = Effect.gen(function* () {
        const from = join(root, "warehouse", "default", "again")
        const progress = { logId: "a-log", offset: 4 }
        const rebuilt = yield* openWriter({ tableFolder: from })
        yield* rebuilt.stage(someRows(4, "again"))
        yield* rebuilt.commit(progress)
        const writer = yield* openWriter()
        const allowed = Effect.gen(function* () {
          if (++asked > 1) return yield* Effect.fail("changed")
          const another = yield* openWriter()
          yield* another.stage(someRows(1, "other"))
          yield* another.commit(Option.getOrThrow(yield* another.committed).progress)
        }).pipe(Effect.scoped, Effect.mapError(String), Effect.provide(yield* Effect.context<DataFolder | Leases>()))
        assert.strictEqual(yield* Effect.flip(writer.promote(from, progress, allowed)), "changed")
      })
      yield* work.pipe(Effect.scoped, Effect.provide(environmentAt(root)))
      assert.strictEqual(asked, 2)
      assert.strictEqual((yield* query(root)).rows.length, 10)
    }).pipe(Effect.scoped)
  )

  it.effect("a dropped column is not returned, and the audit reports that it cannot compare", () =>
    Effect.gen(function* () {
      const { columns, root, rows } = yield* unpacked("column-dropped")
      const result = yield* query(root)
      assert.deepStrictEqual(result.columns, columns)
      assert.deepStrictEqual(sorted(result.rows), sorted(rows))
      assert.match(
        (yield* Effect.flip(audited(root))).message,
        /no longer has the column temperature: another program /
      )
    }).pipe(Effect.scoped)
  )

  it.effect("values of a column that Spark added stay when small files are merged", () =>
    Effect.gen(function* () {
      const { columns, root, rows } = yield* unpacked("column-added")
      const more = Array.from({ length: 12 }, (_, i) => someRows(1, `more ${i}`))
      const done = yield* written(
        root,
        Effect.fnUntraced(function* (writer) {
          for (const some of more) yield* add(writer, some)
          return yield* maintainAll(writer)
        })
      )
      assert.isAbove(done.filesCompacted, 12)
      const expected = more.flat().map(({ city, temperature, ts }) => [city, temperature, ts, null])
      const result = yield* query(root)
      assert.deepStrictEqual(result.columns, columns)
      assert.deepStrictEqual(sorted(result.rows), sorted([...rows, ...expected]))
    }).pipe(Effect.scoped)
  )

  it.live("files with equality deletes are left unchanged", () =>
    Effect.gen(function* () {
      const { root } = yield* unpacked("equality-deletes")
      const folder = join(root, "warehouse", "default", "weather", "data", "ts=2026-01-08-14")
      const before = readdirSync(folder)
      const done = yield* written(root, maintainAll)
      // The other hour has two files and no deletes.
      assert.strictEqual(done.filesCompacted, 2)
      assert.includeMembers(readdirSync(folder), before)
    }).pipe(Effect.scoped)
  )
})

/** What doctor reports of the table's files. */
const findings = (root: string) => Effect.provide(tableCheck.run, at(root))

describe("doctor over a table on which Spark has worked", () => {
  it.effect("names what a rebuild would undo when it advises one", () =>
    Effect.gen(function* () {
      const { root } = yield* unpacked("position-deletes")
      assert.deepStrictEqual(yield* findings(root), [])
      const folder = join(root, "warehouse", "default", "weather", "data", "ts=2026-01-08-16")
      for (const name of readdirSync(folder)) rmSync(join(folder, name))
      const [finding] = yield* findings(root)
      assert.match(finding?.fix ?? "", /^floe rebuild --into \w+ --promote --discard-other-writers /)
      // The rows that Spark inserted are in the file that is gone: its own count of them is what is left.
      assert.match(
        finding?.fix ?? "",
        /Other writers have added 2 rows to default\.weather and deleted 3 rows \(snapshot /
      )
    }).pipe(Effect.scoped)
  )

  for (const name of ["orc", "equality-deletes"]) {
    it.effect(`reports what Floe cannot apply: ${name}`, () =>
      Effect.gen(function* () {
        const { root } = yield* unpacked(name)
        const [finding] = yield* findings(root)
        assert.match(
          finding?.finding ?? "",
          /^The table cannot be used: .*(\.orc is in the format|equal-2\.parquet deletes rows)/
        )
        assert.match(finding?.fix ?? "", /rewrite_data_files/)
      }).pipe(Effect.scoped)
    )
  }
})

const asLogged = [
  ["Kiel", "50", "2026-01-08-14"],
  ["Lima", "72.50", "2026-01-08-14"],
  ["Lima", "72.50", "2026-01-08-14"],
  ["Oslo", "39.75", "2026-01-08-15"],
  ["Oslo", "40.25", "2026-01-08-15"],
  ["Oslo", "41.50", "2026-01-08-14"],
  ["Pune", "80.59", "2026-01-08-15"],
  [`"'\\`, "-0", "2026-01-08-15"],
  ["東京 🌧️", "1e2", "2026-01-08-14"]
]

describe("floe over a table on which Spark has worked", () => {
  it.live("audit reports each change, and a rebuild undoes none without --discard-other-writers", () =>
    Effect.gen(function* () {
      const { root, rows } = yield* unpacked("position-deletes")
      const env = { FLOE_DATA: root }
      const audit = yield* floe(["audit"], env)
      assert.strictEqual(audit.code, 0, audit.err)
      assert.match(audit.out, /changed by another writer: snapshot \d+ by spark, \+0 −3 rows/)
      assert.match(audit.out, /changed by another writer: snapshot \d+ by spark, \+2 −0 rows/)

      const promote = ["rebuild", "--into", "again", "--promote"]
      const rejected = yield* floe(promote, env)
      assert.strictEqual(rejected.code, 1, rejected.out)
      assert.match(
        rejected.err.replaceAll(/\s+/g, " "),
        /Other writers have added 2 rows to default\.weather and deleted 3 rows/
      )
      assert.include(rejected.err, "--discard-other-writers")
      assert.deepStrictEqual(sorted((yield* query(root)).rows), sorted(rows))

      const promoted = yield* floe([...promote, "--discard-other-writers"], env)
      assert.strictEqual(promoted.code, 0, promoted.err)
      assert.deepStrictEqual(sorted((yield* query(root)).rows), sorted(asLogged))
      const again = yield* audited(root)
      assert.deepStrictEqual([again.missing, again.extra, again.changedByOthers], [0, 0, []])
    }).pipe(Effect.scoped)
  )

  it.live("a rebuild would also restore what expired snapshots have deleted", () =>
    Effect.gen(function* () {
      const { root } = yield* unpacked("expired")
      const rejected = yield* floe(["rebuild", "--into", "again", "--promote"], { FLOE_DATA: root })
      assert.strictEqual(rejected.code, 1, rejected.out)
      assert.match(rejected.err.replaceAll(/\s+/g, " "), /default\.weather has 1 row fewer than the log would give/)
      assert.include(rejected.err, "--discard-other-writers")
    }).pipe(Effect.scoped)
  )
})
