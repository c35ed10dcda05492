import { assert, it } from "@effect/vitest"
import { typeText } from "../../../layers/table/schema/typeText.ts"

it("types are printed as Iceberg's Java library and pyiceberg print them", () => {
  const struct = (...fields: ReadonlyArray<readonly [string, unknown]>) => ({
    type: "struct",
    fields: fields.map(([name, type], id) => ({ id, name, type, required: false }))
  })
  const item = struct(["sku", "string"], ["price", "decimal(12,2)"])
  assert.strictEqual(typeText("timestamptz"), "timestamptz")
  assert.strictEqual(
    typeText({ type: "list", "element-id": 4, element: item, "element-required": false }),
    "list<struct<sku: string, price: decimal(12,2)>>"
  )
  assert.strictEqual(
    typeText({ type: "map", "key-id": 1, key: "string", "value-id": 2, value: "double", "value-required": false }),
    "map<string, double>"
  )
  assert.strictEqual(typeText({ type: "variant" }), '{"type":"variant"}')
})
