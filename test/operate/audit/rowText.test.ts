/** Both sides of an audit give a row the same text: the log from canonical JSON, the table by SQL over typed columns. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import fc from "fast-check"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { rowText } from "../../../layers/operate/audit/rowText.ts"
import { rowTextSql } from "../../../layers/table/duckdb/rowTextSql.ts"
import { duckType } from "../../../layers/table/schema/duckTypes.ts"
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { edges, eventOf, everyType, someColumns } from "../../support/someStreams.ts"

const plain = (type: string) => (type === "json" ? "string" : type === "accepted" ? "timestamptz" : type)

/** As Iceberg's metadata has it; ids do not matter here. */
const icebergType = (column: ColumnType): unknown => {
  if (column.type === "struct") {
    return {
      type: "struct",
      fields: column.fields.map((field) => ({ id: 0, name: field.name, type: icebergType(field) }))
    }
  }
  if (column.type === "list") return { type: "list", element: icebergType(column.element) }
  if (column.type === "map") return { type: "map", key: "string", value: icebergType(column.value) }
  return plain(column.type)
}

const hasBinary = (column: ColumnType): boolean =>
  column.type === "binary" ||
  (column.type === "struct" && column.fields.some(hasBinary)) ||
  (column.type === "list" && hasBinary(column.element)) ||
  (column.type === "map" && hasBinary(column.value))

describe("the text of a row", () => {
  let folder = ""
  let instance: DuckDBInstance
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "floe-row-text-"))
    instance = await DuckDBInstance.create(":memory:")
  })
  afterAll(() => {
    instance.closeSync()
    rmSync(folder, { recursive: true })
  })

  const inSql = async (columns: ReadonlyArray<Column>, records: ReadonlyArray<string>) => {
    const file = join(folder, "rows.ndjson")
    writeFileSync(file, records.join("\n"))
    const connection = await instance.connect()
    try {
      await connection.run("SET TimeZone = 'Asia/Tokyo'")
      const types = columns.map(
        (column) => `"${column.name}": '${(duckType(icebergType(column)) ?? "").replaceAll("'", "''")}'`
      )
      const binary = columns.map(({ name, type }) =>
        type === "binary" ? `from_base64("${name}"::VARCHAR) AS "${name}"` : `"${name}"`
      )
      const read = `read_json('${file}', format = 'newline_delimited', records = true, columns = {${types.join(", ").replaceAll("'BLOB'", "'VARCHAR'")}})`
      const result = await connection.runAndReadAll(
        `SELECT ${rowTextSql(columns)} FROM (SELECT ${binary.join(", ")} FROM ${read})`
      )
      return result.getRowsJson().map(([text]) => text)
    } finally {
      connection.closeSync()
    }
  }

  it("is the same for values at the edges of every type", async () => {
    const records = edges.map((event) => JSON.stringify(event))
    assert.deepStrictEqual(await inSql(everyType.columns, records), edges.map(rowText(everyType)))
  })

  it("differs for different values", () => {
    const texts = edges.map((event) => rowText(everyType)(event))
    assert.strictEqual(new Set(texts).size, edges.length)
  })

  it("is the same for any events of any stream", async () => {
    const streams = someColumns
      .map((columns) => columns.filter((column) => column.type === "binary" || !hasBinary(column)))
      .filter((columns) => columns.length > 0)
      .chain((columns) => fc.tuple(fc.constant(columns), fc.array(eventOf(columns), { minLength: 1, maxLength: 5 })))
    await fc.assert(
      fc.asyncProperty(streams, async ([columns, events]) => {
        const records = events.map((event) => JSON.stringify(event))
        assert.deepStrictEqual(await inSql(columns, records), events.map(rowText({ columns })))
      }),
      { numRuns: 100 }
    )
  })
})
