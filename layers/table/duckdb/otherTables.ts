/** The tables beside default.weather, which a rebuild has made or is making. */
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { TableName, weather } from "../../../services/TableReader.ts"
import * as Files from "../../runtime/files.ts"
import * as RebuildMarker from "../iceberg/RebuildMarker.ts"
import type { TableRows } from "./tableRows.ts"

const isTableName = Schema.is(TableName)

export const listNames = Effect.gen(function* () {
  const { warehouse, tableAt } = yield* DataFolder
  const names = yield* Files.list(join(warehouse, "default"))
  return yield* Effect.filter(names.filter((name) => name !== weather && isTableName(name)).toSorted(), (name) =>
    Effect.map(Files.list(join(tableAt(name), "metadata")), ({ length }) => length > 0)
  )
})

/** Stands for a table that the statement does not name. */
export const noRows: TableRows = { files: [], byId: [], select: "SELECT NULL::VARCHAR AS city WHERE false" }

/** Whether a statement may refer to the table of this name. */
export const mentions = (sql: string, name: string) => new RegExp(`(?<![a-z0-9_])${name}(?![a-z0-9_])`, "i").test(sql)

/** Logs a warning if the table's rebuild is not finished. */
export const warnIfUnfinished = Effect.fnUntraced(function* (name: string, tableFolder: string) {
  const marker = yield* Effect.option(RebuildMarker.read(tableFolder))
  if (marker._tag === "None" || marker.value._tag !== "Rebuilt" || marker.value.finished) return
  yield* Effect.logWarning(`The table ${name} is unfinished: it has only the rows that its rebuild has written so far.`)
})
