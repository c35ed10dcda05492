import { assert, describe, it } from "@effect/vitest"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { ofStream, parts } from "../../../layers/table/trino/checksumSql.ts"
import { rowSql } from "../../../layers/table/trino/rowTextSql.ts"
import { parseType } from "../../../layers/table/trino/trinoTypes.ts"
import type { Column, StreamDefinition } from "../../../services/StreamDefinition.ts"

const streamOf = (columns: ReadonlyArray<Column>, more: Partial<StreamDefinition> = {}) =>
  firstVersion({ name: "readings", columns, key: null, partitionBy: [], ...more }, 0)

const column = (name: string, type: string) => ({ name, type: parseType(type) })

describe("the text of a row in Trino's SQL", () => {
  const stream = streamOf([
    { name: "order", required: true, type: "string" },
    { name: "f", required: false, type: "float" },
    { name: "place", required: false, type: "struct", fields: [{ name: "Lat", required: true, type: "double" }] }
  ])

  it("given columns with reserved names, then they are quoted, and numbers are their bits", () => {
    const { group, shown, shownType, text } = rowSql(stream, [
      column("order", "varchar"),
      column("f", "real"),
      column("place", "row(lat double)")
    ])
    assert.strictEqual(
      text,
      [
        `array_join(ARRAY[IF("order" IS NULL, '~', array_join(ARRAY[CAST(length(to_utf8("order")) AS varchar), ':', "order"], ''))`,
        `IF("f" IS NULL, '~', CAST(from_big_endian_32(to_ieee754_32(CAST("f" AS real))) AS varchar))`,
        `IF("place" IS NULL, '~', array_join(ARRAY['(', array_join(ARRAY[IF("place"."Lat" IS NULL, '~', CAST(from_big_endian_64(to_ieee754_64(CAST("place"."Lat" AS double))) AS varchar))], ','), ')'], ''))], ',')`
      ].join(", ")
    )
    assert.strictEqual(group, "CAST(NULL AS varchar)")
    assert.strictEqual(shown, 'ROW("order", "f", "place")')
    assert.strictEqual(shownType, 'ROW("order" varchar, "f" real, "place" ROW("lat" double))')
  })

  it("given a snapshot from before a change, then its names are used, and what it lacks is absent", () => {
    const definition: StreamDefinition = {
      name: "readings",
      columns: [
        { name: "sensor", required: true, type: "uuid" },
        { name: "at", required: true, type: "timestamptz" }
      ],
      key: null,
      partitionBy: [{ column: "at", transform: "hour" }]
    }
    const changed: StreamDefinition = {
      ...definition,
      columns: [
        { name: "device", required: true, type: "uuid", renamedFrom: "sensor" },
        { name: "at", required: true, type: "timestamptz" },
        { name: "fresh", required: false, type: "int" }
      ]
    }
    const next = nextVersion([firstVersion(definition, 0)], changed, 0)
    const old = [column("sensor", "uuid"), column("at", "timestamp(6) with time zone")]
    const time = `(replace(substr(CAST("at" AT TIME ZONE 'UTC' AS varchar), 1, 26), ' ', 'T') || 'Z')`
    const { group, text } = rowSql(next, old)
    assert.strictEqual(
      text,
      `array_join(ARRAY[IF("sensor" IS NULL, '~', CAST("sensor" AS varchar)), IF("at" IS NULL, '~', ${time}), '~'], ',')`
    )
    assert.strictEqual(group, `substr(${time}, 1, 13)`)
  })

  it("given changes of other writers, then the rows of each snapshot are read under its own columns", () => {
    const others = [{ snapshotId: "2", parentId: "1", by: "spark", added: 1, deleted: 0 }]
    const columns = [[column("order", "varchar"), column("f", "real")], [column("order", "varchar")], []]
    const some = parts(others, "3").map((part, i) => ({ ...part, columns: columns[i] ?? [] }))
    const { hours } = ofStream(stream, some)
    assert.deepStrictEqual(
      [...hours.matchAll(/AS shown, (-?\d) AS n, (\w+) AS other FROM (\S+) FOR VERSION AS OF BIGINT '(\d)'/g)].map(
        ([, n, other, table, id]) => [n, other, table, id]
      ),
      [
        ["1", "false", 'iceberg.default."readings"', "3"],
        ["1", "true", 'iceberg.default."readings"', "1"],
        ["-1", "true", 'iceberg.default."readings"', "2"]
      ]
    )
    assert.strictEqual(hours.split("\nUNION ALL ").length, 3)
  })
})
