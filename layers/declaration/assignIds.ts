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

/**
 * Ids for a definition: those that its paths have, and new ones after `lastId` for the others. The first version is numbered
 * level by level; later, each new path is followed by what is nested in it. So does Trino, which gives a table its ids.
 */
export const assignIds = (
  { columns }: StreamDefinition,
  known: Pick<AppliedStream, "ids" | "lastId">
): Pick<AppliedStream, "ids" | "lastId"> => {
  const ids = { ...known.ids }
  let { lastId } = known
  const paths = pathsOf(columns)
  // A column may be named toString.
  const isNew = (path: string) => !Object.hasOwn(ids, path)
  const assign = (path: string) => {
    lastId += 1
    ids[path] = lastId
  }
  for (const path of paths.filter(isNew)) {
    if (isNew(path)) assign(path)
    if (known.lastId > 0) for (const nested of paths) if (nested.startsWith(`${path}.`) && isNew(nested)) assign(nested)
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
