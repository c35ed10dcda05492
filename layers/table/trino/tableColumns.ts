/** Reads the columns that a table has. */
import { Effect, Schema } from "effect"
import * as Rows from "./rows.ts"
import { parseType, type TrinoType } from "./trinoTypes.ts"

export interface TableColumn {
  /** In lower case, as Trino keeps all names of columns. */
  readonly name: string
  readonly type: TrinoType
  readonly isNullable: boolean
  readonly comment: string | null
}

const Row = Schema.Tuple([Schema.String, Schema.String, Schema.Literals(["YES", "NO"]), Schema.NullOr(Schema.String)])

/** In their order; empty if there is no such table. */
export const read = Effect.fn("TableColumns.read")(function* (table: string) {
  const rows = yield* Rows.all(
    { table, operation: "reading its columns", row: Row },
    `SELECT column_name, data_type, is_nullable, comment FROM iceberg.information_schema.columns
WHERE table_schema = 'default' AND table_name = ${Rows.literal(table)} ORDER BY ordinal_position`
  )
  return rows.map(
    ([name, type, nullable, comment]): TableColumn => ({
      name,
      type: parseType(type),
      isNullable: nullable === "YES",
      comment
    })
  )
})
