import { assert, describe, it } from "@effect/vitest"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { evolutionPlan } from "../../../layers/table/trino/evolutionPlan.ts"
import { createStatement, propertiesOf } from "../../../layers/table/trino/streamTable.ts"
import type { TableColumn } from "../../../layers/table/trino/tableColumns.ts"
import { parseType, typeSql } from "../../../layers/table/trino/trinoTypes.ts"
import type { Column, ColumnType, StreamDefinition } from "../../../services/StreamDefinition.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { everyType } from "../../support/someStreams.ts"

const optional = (name: string, type: ColumnType): Column => ({ ...type, name, required: false })

const transforms: StreamDefinition = {
  name: "order",
  doc: "What's sold",
  columns: [
    { name: "at", required: true, type: "timestamptz", doc: "it's the time" },
    { name: "soldOn", required: true, type: "date" },
    { name: "select", required: false, type: "string" },
    { name: "n", required: false, type: "long" },
    { name: "until", required: false, type: "timestamp" }
  ],
  key: null,
  partitionBy: [
    { column: "at", transform: "day" },
    { column: "soldOn", transform: "month" },
    { column: "until", transform: "hour" },
    { column: "select", transform: "truncate", width: 3 },
    { column: "n", transform: "bucket", width: 16 },
    { column: "n", transform: "identity" }
  ]
}

describe("the statement that creates a table", () => {
  it("given weather, then it is what it always was", () => {
    assert.strictEqual(
      createStatement(weatherStream, undefined, propertiesOf(weatherStream.definition, "warehouse")),
      `CREATE TABLE IF NOT EXISTS iceberg.default.weather (
   city varchar,
   temperature varchar,
   ts varchar
)
WITH (
   format = 'PARQUET',
   format_version = 2,
   partitioning = ARRAY['ts'],
   location = 's3a://warehouse/default/weather'
)`
    )
  })

  it("given names that SQL reserves, comments and all transforms, then it has them", () => {
    assert.strictEqual(
      createStatement(firstVersion(transforms, 0), undefined, propertiesOf(transforms, "lake")),
      `CREATE TABLE IF NOT EXISTS iceberg.default."order" (
   "at" timestamp(6) with time zone COMMENT 'it''s the time',
   "soldOn" date,
   "select" varchar,
   "n" bigint,
   "until" timestamp(6)
)
COMMENT 'What''s sold'
WITH (
   format = 'PARQUET',
   format_version = 2,
   partitioning = ARRAY['day(at)','month(soldon)','hour(until)','truncate(select, 3)','bucket(n, 16)','n'],
   location = 's3a://lake/default/order'
)`
    )
  })

  it("given every type, then each has Trino's", () => {
    const columns = createStatement(firstVersion(everyType, 0))
      .split("\n")
      .slice(1, -6)
      .map((line) => line.trim().replace(/,$/, ""))
    assert.deepStrictEqual(columns, [
      '"id" bigint',
      '"b" boolean',
      '"i" integer',
      '"f" real',
      '"d" double',
      '"money" decimal(12,2)',
      '"big" decimal(38,10)',
      '"day" date',
      '"clock" time(6)',
      '"naive" timestamp(6)',
      '"at" timestamp(6) with time zone',
      '"s" varchar',
      '"u" uuid',
      '"raw" varbinary',
      '"free" varchar',
      '"place" ROW("lat" double, "inner" ROW("q" decimal(5,1)))',
      '"tags" array(varchar)',
      '"items" array(ROW("sku" varchar, "n" integer))',
      '"attributes" map(varchar, double)',
      '"received" timestamp(6) with time zone'
    ])
  })
})

it("given types as Trino 476 reports them, when they are read, then they are the same in SQL", () => {
  for (const [reported, sql] of [
    [
      "row(Lat double, geo row(a decimal(12, 2), b integer))",
      'ROW("Lat" double, "geo" ROW("a" decimal(12,2), "b" integer))'
    ],
    [
      "array(row(sku varchar, at timestamp(6) with time zone))",
      'array(ROW("sku" varchar, "at" timestamp(6) with time zone))'
    ],
    ["map(varchar, array(map(varchar, integer)))", "map(varchar, array(map(varchar, integer)))"],
    ['row("a b" time(6), "q""d" uuid)', 'ROW("a b" time(6), "q""d" uuid)']
  ] as const) {
    assert.strictEqual(typeSql(parseType(reported)), sql)
  }
})

const first: StreamDefinition = {
  name: "readings",
  columns: [
    { name: "sensor", required: true, type: "uuid" },
    { name: "n", required: true, type: "int" },
    { name: "price", required: false, type: "decimal(12,2)" },
    { name: "old", required: false, type: "string" },
    {
      name: "place",
      required: false,
      type: "struct",
      fields: [
        { name: "lat", required: true, type: "float" },
        { name: "gone", required: false, type: "int" }
      ]
    },
    {
      name: "items",
      required: false,
      type: "list",
      nullable: false,
      element: { type: "struct", fields: [{ name: "sku", required: true, type: "string" }] }
    }
  ],
  key: "sensor",
  partitionBy: []
}

const second: StreamDefinition = {
  ...first,
  columns: [
    { name: "device", required: true, type: "uuid", renamedFrom: "sensor", doc: "Which" },
    { name: "n", required: true, type: "long" },
    { name: "price", required: false, type: "decimal(14,2)" },
    {
      name: "place",
      required: false,
      type: "struct",
      fields: [
        { name: "lat", required: true, type: "double" },
        { name: "alt", required: false, type: "int" }
      ]
    },
    {
      name: "items",
      required: false,
      type: "list",
      nullable: false,
      element: {
        type: "struct",
        fields: [
          { name: "sku", required: true, type: "string" },
          { name: "note", required: false, type: "string" }
        ]
      }
    },
    { name: "fresh", required: false, type: "map", nullable: false, value: { type: "date" } }
  ],
  key: "device"
}

const column = (name: string, type: string, more: Partial<TableColumn> = {}): TableColumn => ({
  name,
  type: parseType(type),
  isNullable: true,
  comment: null,
  ...more
})

/** What Trino 476 reports of the table of `first`. */
const before = [
  column("sensor", "uuid"),
  column("n", "integer"),
  column("price", "decimal(12,2)"),
  column("old", "varchar"),
  column("place", "row(lat real, gone integer)"),
  column("items", "array(row(sku varchar))")
]

describe("the plan of an evolution", () => {
  const applied = firstVersion(first, 0)
  const next = nextVersion([applied], second, 0)
  const statements = (columns: ReadonlyArray<TableColumn>) =>
    evolutionPlan(next, columns).steps.map((step) => step.statement)
  const all = [
    'ALTER TABLE iceberg.default."readings" RENAME COLUMN "sensor" TO "device"',
    `COMMENT ON COLUMN iceberg.default."readings"."device" IS 'Which'`,
    'ALTER TABLE iceberg.default."readings" ALTER COLUMN "n" SET DATA TYPE bigint',
    'ALTER TABLE iceberg.default."readings" ALTER COLUMN "price" SET DATA TYPE decimal(14,2)',
    'ALTER TABLE iceberg.default."readings" ALTER COLUMN "place"."lat" SET DATA TYPE double',
    'ALTER TABLE iceberg.default."readings" ADD COLUMN IF NOT EXISTS "fresh" map(varchar, date)',
    'ALTER TABLE iceberg.default."readings" ADD COLUMN IF NOT EXISTS "place"."alt" integer',
    'ALTER TABLE iceberg.default."readings" ADD COLUMN IF NOT EXISTS "items"."element"."note" varchar',
    'ALTER TABLE iceberg.default."readings" DROP COLUMN IF EXISTS "old"',
    'ALTER TABLE iceberg.default."readings" DROP COLUMN IF EXISTS "place"."gone"'
  ]

  it("given the table of its version, then nothing is to be done", () => {
    assert.deepStrictEqual(evolutionPlan(applied, before), { steps: [], conflicts: [], foreign: [] })
  })

  it("given every change that is possible, then each is a statement", () => {
    assert.deepStrictEqual(statements(before), all)
  })

  it("given a change that was interrupted, then only the rest is planned", () => {
    const halfway = [
      column("device", "uuid", { comment: "Which" }),
      column("n", "bigint"),
      column("price", "decimal(14,2)"),
      column("old", "varchar"),
      column("place", "row(lat double, gone integer)"),
      column("items", "array(row(sku varchar))")
    ]
    assert.deepStrictEqual(statements(halfway), all.slice(5))
  })

  it("given columns that another program added, then they stay and are named", () => {
    const { conflicts, foreign, steps } = evolutionPlan(applied, [
      ...before.slice(0, 4),
      column("place", "row(lat real, gone integer, theirs varchar)"),
      ...before.slice(5),
      column("own", "integer")
    ])
    assert.deepStrictEqual(
      { conflicts, foreign, steps },
      { conflicts: [], foreign: ["place.theirs", "own"], steps: [] }
    )
  })

  it("given a table that somebody altered so that it does not fit, then each reason is named", () => {
    const { conflicts } = evolutionPlan(applied, [
      column("sensor", "varchar"),
      column("n", "integer", { isNullable: false }),
      column("price", "decimal(10,3)"),
      column("old", "varchar"),
      column("place", "array(integer)"),
      column("items", "array(row(sku varchar))"),
      column("theirs", "integer", { isNullable: false })
    ])
    assert.deepStrictEqual(conflicts, [
      "its column sensor is varchar instead of uuid",
      "its column n is NOT NULL",
      "its column price is decimal(10,3) instead of decimal(12,2)",
      "its column place is array(integer) instead of row(lat real, gone integer)",
      "its column theirs is NOT NULL, and the stream does not have it"
    ])
  })

  it("given a table that has a column under its old and its new name, then it is refused", () => {
    const { conflicts } = evolutionPlan(next, [...before, column("device", "uuid")])
    assert.deepStrictEqual(conflicts, ["it has both sensor and device, its new name"])
  })

  it("given changes that Trino does not have, then they are refused", () => {
    const of = (xs: ColumnType, fields: ReadonlyArray<Column>): StreamDefinition => ({
      name: "readings",
      columns: [
        optional("xs", { type: "list", nullable: false, element: xs }),
        optional("m", { type: "map", nullable: false, value: { type: "struct", fields } })
      ],
      key: null,
      partitionBy: []
    })
    const lists = of({ type: "int" }, [optional("a", { type: "int" })])
    const wider = of({ type: "long" }, [optional("a", { type: "long" }), optional("b", { type: "int" })])
    const { conflicts, steps } = evolutionPlan(nextVersion([firstVersion(lists, 0)], wider, 0), [
      column("xs", "array(integer)"),
      column("m", "map(varchar, row(a integer))")
    ])
    assert.deepStrictEqual(conflicts, [
      "Trino cannot change xs.element from integer to bigint, as it is within a list or a map",
      "Trino cannot add the field m.value.b, as it is within a map"
    ])
    assert.deepStrictEqual(
      steps.map(({ statement }) => statement),
      ['ALTER TABLE iceberg.default."readings" ALTER COLUMN "m"."value"."a" SET DATA TYPE bigint']
    )
  })
})
