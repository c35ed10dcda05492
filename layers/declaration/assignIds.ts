/** Field ids by path, given once and kept. */
import type { AppliedStream, Column, ColumnType, StreamDefinition } from "../../services/StreamDefinition.ts"

const join = (path: string, step: string) => (path === "" ? step : `${path}.${step}`)

/** A level is numbered before what is nested in it, as Iceberg's own libraries do it. */
const below = (type: ColumnType, path: string): Array<string> => {
  switch (type.type) {
    case "struct":
      return pathsOf(type.fields, path)
    case "list":
      return [join(path, "element"), ...below(type.element, join(path, "element"))]
    case "map":
      return [join(path, "key"), join(path, "value"), ...below(type.value, join(path, "value"))]
    default:
      return []
  }
}

/** The path of every column, field, element, key and value, in the order in which they get their ids. */
export const pathsOf = (columns: ReadonlyArray<Column>, path = ""): Array<string> => [
  ...columns.map(({ name }) => join(path, name)),
  ...columns.flatMap((column) => below(column, join(path, column.name)))
]

/** Ids for a definition: those that its paths have, and new ones after `lastId` for the others. */
export const assignIds = (
  { columns }: StreamDefinition,
  known: Pick<AppliedStream, "ids" | "lastId">
): Pick<AppliedStream, "ids" | "lastId"> => {
  const ids = { ...known.ids }
  let { lastId } = known
  for (const path of pathsOf(columns)) {
    // A column may be named toString.
    if (!Object.hasOwn(ids, path)) {
      lastId += 1
      ids[path] = lastId
    }
  }
  return { ids, lastId }
}

/** A stream's first version. `appliedAt` is in milliseconds since 1970. */
export const firstVersion = (definition: StreamDefinition, appliedAt: number): AppliedStream => ({
  definition,
  version: 1,
  ...assignIds(definition, { ids: {}, lastId: 0 }),
  appliedAt
})
