/** What Floe makes of tables on which Spark has worked. Rows are judged by those that Spark read in them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Scope, Stream } from "effect"
import { audit } from "../layers/audit/Audit.ts"
import * as QueryLayer from "../layers/duckdb/Query.ts"
import * as TableSumsLayer from "../layers/duckdb/TableSums.ts"
import { at } from "../layers/embedded/DataFolder.ts"
import * as EventLogReaderLayer from "../layers/sqlite/EventLogReader.ts"
import * as LeasesLayer from "../layers/sqlite/Leases.ts"
import { Query } from "../services/Query.ts"
import type { TableWriter as Table } from "../services/Table.ts"
import { add, environmentAt, maintainAll, openWriter, someRows } from "./icebergTable.ts"
import { unpacked } from "./recordedTables.ts"

const select = "SELECT * FROM iceberg.default.weather"

const query = (root: string, sql = select) =>
  Effect.gen(function* () {
    const { columns, rows } = yield* (yield* Query).execute(sql)
    return { columns: columns.map(({ name }) => name), rows: yield* Stream.runCollect(rows) }
  }).pipe(
    Effect.scoped,
    Effect.provide(QueryLayer.layer.pipe(Layer.provide(LeasesLayer.layer), Layer.provide(at(root))))
  )

const audited = (root: string) =>
  audit({}).pipe(
    Effect.map(Option.getOrThrow),
    Effect.provide(Layer.merge(EventLogReaderLayer.layer, TableSumsLayer.layer.pipe(Layer.provide(LeasesLayer.layer)))),
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
    it.effect(`${name}: a query has its rows, and the audit tells what Spark has changed`, () =>
      Effect.gen(function* () {
        const { columns, root, rows } = yield* unpacked(name)
        const found = yield* query(root)
        assert.deepStrictEqual(found.columns, columns)
        assert.deepStrictEqual(sorted(found.rows), sorted(rows))
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
    "deletion-vectors": /metadata\.json is of Iceberg's format version 3; Floe reads version 2\.$/,
    orc: /\.orc is of the format ORC, and Floe reads only Parquet\.$/,
    "equality-deletes": /equal-2\.parquet deletes rows by their values \(equality deletes\), which Floe cannot apply; /
  })) {
    it.effect(`${name}: query and audit refuse and name it`, () =>
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
      const upkeep = yield* written(
        root,
        Effect.fnUntraced(function* (writer) {
          for (const some of more) yield* add(writer, some)
          return yield* maintainAll(writer)
        })
      )
      assert.isAbove(upkeep.filesCompacted, 0)
      const expected = [...rows, ...more.flat().map(({ city, temperature, ts }) => [city, temperature, ts])]
      assert.deepStrictEqual(sorted((yield* query(root)).rows), sorted(expected))
    }).pipe(Effect.scoped)
  )
})
