import { assert, describe, it } from "vitest"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { rowFormat } from "../../../layers/operate/audit/RowFormat.ts"
import type { Column } from "../../../services/StreamDefinition.ts"
import { applied } from "../../support/typedStream.ts"

const partitions = (column: string) => [{ column, transform: "day" }] as const
const id: Column = { name: "id", type: "string", required: true }
const at = (name: string, renamedFrom?: string): Column => ({
  name,
  type: "timestamptz",
  required: true,
  ...(renamedFrom === undefined ? {} : { renamedFrom })
})

describe("the format of a stream's records", () => {
  it("finds the values of a column that was renamed twice under each of its names", () => {
    const first = applied("visits", [id, at("taken")], partitions("taken"))
    const renamed = (columns: ReadonlyArray<Column>, column: string) => ({
      ...first.definition,
      columns,
      partitionBy: partitions(column)
    })
    const second = nextVersion([first], renamed([id, at("at", "taken")], "at"), 0)
    const third = nextVersion([first, second], renamed([id, at("since", "at")], "since"), 0)
    const format = rowFormat(third)
    const records = ["taken", "at", "since"].map((name) => `{"id":"a","${name}":"2026-11-27T10:11:12.000000Z"}`)
    for (const record of records) {
      assert.deepStrictEqual(
        [format.text(record), format.group(record)],
        ["1:a,2026-11-27T10:11:12.000000Z", "2026-11-27"]
      )
    }
  })
})
