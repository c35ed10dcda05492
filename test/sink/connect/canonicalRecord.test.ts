import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import vectors from "../../../deploy/kafka-connect/src/test/resources/vectors.json" with { type: "json" }
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import * as Checker from "../../../layers/ingest/checker/Checker.ts"
import { canonicalRecord } from "../../../layers/sink/connect/canonicalRecord.ts"
import { recordColumns } from "../../../layers/sink/connect/recordColumns.ts"
import { type AppliedStream, type Column, ColumnType } from "../../../services/StreamDefinition.ts"

const named = (name: string, type: typeof ColumnType.Type, required = false): Column => ({ ...type, name, required })
const stream = (columns: ReadonlyArray<Column>) => ({ name: "x", columns, key: null, partitionBy: [] })

const versions = (): ReadonlyArray<ReadonlyArray<Column>> => {
  const place = (...more: ReadonlyArray<Column>) =>
    named("place", {
      type: "struct",
      fields: [named("lat", { type: "double" }, true), named("alt", { type: "float" }), ...more]
    })
  const items = (price: "decimal(8,2)" | "decimal(12,2)") =>
    named("items", {
      type: "list",
      nullable: false,
      element: { type: "struct", fields: [named("sku", { type: "string" }, true), named("price", { type: price })] }
    })
  const holes = (nullable: boolean) => named("holes", { type: "list", nullable, element: { type: "int" } })
  const lacks = (nullable: boolean) => named("lacks", { type: "map", nullable, value: { type: "string" } })
  const attributes = (type: "int" | "long") => named("attributes", { type: "map", nullable: false, value: { type } })
  const id = named("id", { type: "uuid" }, true)
  const tags = named("tags", { type: "list", nullable: false, element: { type: "string" } })
  const rest = [tags, holes(false), attributes("int"), lacks(false), items("decimal(8,2)")]
  const first = [named("gone", { type: "double" }), place(named("old", { type: "int" })), ...rest]
  return [
    [id, named("n", { type: "int" }), named("probe", { type: "string" }), ...first],
    [id, named("n", { type: "long" }), { ...named("device", { type: "string" }), renamedFrom: "probe" }, ...first],
    [
      id,
      named("n", { type: "long" }),
      { ...named("sensor", { type: "string" }), renamedFrom: "device" },
      place(),
      tags,
      holes(true),
      attributes("long"),
      lacks(true),
      items("decimal(12,2)")
    ]
  ]
}

const historyOf = ([first = [], ...later]: ReadonlyArray<ReadonlyArray<Column>>) => {
  const history: [...Array<AppliedStream>, AppliedStream] = [firstVersion(stream(first), 0)]
  for (const columns of later) history.push(nextVersion(history, stream(columns), 0))
  return history
}

/** The transform's own tests read the same file, so that both sides decide alike. */
describe("canonical records", () => {
  it("given every version of a stream, when its columns are made, then they have the earlier names and types and what was removed", () => {
    assert.deepStrictEqual(recordColumns(historyOf(versions())), JSON.parse(JSON.stringify(vectors.columns)))
  })

  const accepts = canonicalRecord(recordColumns(historyOf(versions())))
  it.each(vectors.events.map(({ value, fails }) => [value, fails]))("%s", (value, fails) => {
    const canonical = accepts(value)
    assert.strictEqual(canonical === undefined, fails !== undefined, `${canonical}`)
    if (canonical === undefined) return
    assert.deepStrictEqual(JSON.parse(canonical), JSON.parse(value))
    assert.strictEqual(accepts(canonical), canonical)
  })

  const types = vectors.types.map(({ type, ...lists }) => ({
    type: Schema.decodeUnknownSync(ColumnType)(typeof type === "string" ? { type } : type),
    ...lists
  }))
  describe.each(types.map((one) => [one.type.type, one] as const))(
    "%s",
    (_, { type, canonical, accepted, refused }) => {
      const columns = recordColumns([firstVersion(stream([named("c", type, true)]), 0)])
      const read = canonicalRecord(columns)
      const door = Checker.make(stream([named("c", type, true)]))
      // The server sets the one, and clients send another JSON value for the other.
      const isSent = type.type !== "accepted" && type.type !== "json"
      /** What the door logs for a value; undefined if it rejects it. */
      const logged = (text: string) => {
        const outcome = door.json(`{"c":${text}}`, { accepted: undefined, all: true })
        return Result.isSuccess(outcome) ? outcome.success.records[0] : undefined
      }

      it("passes what the door logs", () => {
        for (const text of canonical) {
          const value = `{"c":${text}}`
          assert.strictEqual(read(value), value)
          if (isSent) assert.strictEqual(logged(text), value)
        }
      })

      it("rejects what the door takes and logs in another form", () => {
        for (const text of accepted) {
          assert.isUndefined(read(`{"c":${text}}`), text)
          assert.strictEqual(read(logged(text) ?? ""), logged(text), text)
        }
      })

      it("rejects what the door rejects", () => {
        for (const text of refused) {
          assert.isUndefined(read(`{"c":${text}}`), text)
          if (isSent) assert.isUndefined(logged(text), text)
        }
      })
    }
  )
})
