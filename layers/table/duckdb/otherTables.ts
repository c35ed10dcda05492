/** The tables beside default.weather: those that a rebuild has made or is making. */
import { join } from "node:path"
import { Effect, Schema } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import { TableName, weather } from "../../../services/TableReader.ts"
import * as Files from "../../runtime/files.ts"
import * as RebuildMarker from "../iceberg/RebuildMarker.ts"
import type { TableRows } from "./tableRows.ts"

const isTableName = Schema.is(TableName)

export const namesIn = Effect.fnUntraced(function* ({ warehouse, tableAt }: DataFolder["Service"]) {
  const names = yield* Files.list(join(warehouse, "default"))
  return yield* Effect.filter(names.filter((name) => name !== weather && isTableName(name)).toSorted(), (name) =>
    Effect.map(Files.list(join(tableAt(name), "metadata")), ({ length }) => length > 0)
  )
})

/** A table that a statement does not name. */
export const unread: TableRows = { files: [], byId: [], select: "SELECT NULL::VARCHAR AS city WHERE false" }

/** Whether a statement may mean the table of this name. */
export const mentions = (sql: string, name: string) => new RegExp(`(?<![a-z0-9_])${name}(?![a-z0-9_])`, "i").test(sql)

/** A rebuild may be far from its end. */
export const warnIfUnfinished = Effect.fnUntraced(function* (name: string, tableFolder: string) {
  const found = yield* Effect.option(RebuildMarker.read(tableFolder))
  if (found._tag === "None" || found.value._tag !== "Rebuilt" || found.value.finished) return
  yield* Effect.logWarning(`The table ${name} is unfinished: it has only the rows that its rebuild has written so far.`)
})
