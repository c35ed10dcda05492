/** What a definition must satisfy, from a module or from a compiled file: names, limits, key, partitions. */
import type { Column, ColumnType, PartitionField, StreamDefinition } from "../../services/StreamDefinition.ts"
import type { Fault } from "./Fault.ts"

const maxColumns = 1000
const maxDepth = 32

const streamName = /^[a-z][a-z0-9_]{0,62}$/
const columnName = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/
const reservedEndings = ["_late", "_state", "_by_key"]

const childrenOf = (type: ColumnType): ReadonlyArray<readonly [step: string, type: ColumnType]> => {
  switch (type.type) {
    case "struct":
      return type.fields.map((field) => [field.name, field])
    case "list":
      return [["element", type.element]]
    case "map":
      return [["value", type.value]]
    default:
      return []
  }
}

const nameFaults = (columns: ReadonlyArray<Column>, path: string): Array<Fault> => {
  const names = new Map<string, string>()
  return columns.flatMap(({ name }) => {
    const where = path === "" ? name : `${path}.${name}`
    const other = names.get(name.toLowerCase())
    names.set(name.toLowerCase(), name)
    if (!columnName.test(name)) {
      return [
        {
          path: where,
          sentence:
            "a column's name is made of letters, digits and _, begins with a letter or _, and has at most 63 characters"
        }
      ]
    }
    if (name.startsWith("__")) return [{ path: where, sentence: "names that begin with __ are reserved" }]
    if (other !== undefined) {
      return [
        { path: where, sentence: `the name is used twice (${other}); SQL does not distinguish upper and lower case` }
      ]
    }
    return []
  })
}

const columnFaults = (columns: ReadonlyArray<Column>): Array<Fault> => {
  const faults: Array<Fault> = []
  let count = 0
  const visit = (type: ColumnType, path: string, depth: number) => {
    if (depth > maxDepth) {
      faults.push({ path, sentence: `the nesting is deeper than ${maxDepth} levels; keep that part as Column.json` })
      return
    }
    if (type.type === "accepted" && depth > 1) {
      faults.push({ path, sentence: "Column.accepted must be a column of its own, outside structs, lists and maps" })
    }
    const decimal = /^decimal\((-?\d+),(-?\d+)\)$/.exec(type.type)
    if (decimal !== null) {
      const [precision, scale] = [Number(decimal[1]), Number(decimal[2])]
      if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
        faults.push({
          path,
          sentence: `${type.type}: the precision must be 1 to 38, and the scale at most the precision`
        })
      }
    }
    if (type.type === "struct") {
      count += type.fields.length
      if (type.fields.length === 0)
        faults.push({ path, sentence: "a struct needs a field; use Column.json for any value" })
      faults.push(...nameFaults(type.fields, path))
    }
    for (const [step, child] of childrenOf(type)) visit(child, `${path}.${step}`, depth + 1)
  }
  count += columns.length
  faults.push(...nameFaults(columns, ""))
  for (const column of columns) visit(column, column.name, 1)
  if (columns.length === 0) faults.push({ path: "", sentence: "a stream needs a column" })
  if (count > maxColumns) {
    faults.push({
      path: "",
      sentence: `it has ${count} columns, fields of structs included; at most ${maxColumns} are possible`
    })
  }
  return faults
}

const isScalar = ({ type }: ColumnType) => !["struct", "list", "map", "json"].includes(type)

const keyFaults = ({ key, columns }: StreamDefinition): Array<Fault> => {
  if (key === null) return []
  const column = columns.find(({ name }) => name === key)
  if (column === undefined) {
    return [{ path: key, sentence: "the key is not a column; it must be a top-level column of the stream" }]
  }
  if (column.type === "accepted") return [{ path: key, sentence: "the key must be a value that clients send" }]
  return isScalar(column)
    ? []
    : [{ path: key, sentence: `the key cannot be a ${column.type}; use a column of one value` }]
}

/** Iceberg's table of transforms, without identity of types that make a partition of nearly every row. */
const dates = ["date", "timestamp", "timestamptz", "accepted"]
const fits: Record<PartitionField["transform"], ReadonlyArray<string>> = {
  identity: ["boolean", "int", "long", "decimal", "string", "uuid", "time", ...dates],
  year: dates,
  month: dates,
  day: dates,
  hour: ["timestamp", "timestamptz", "accepted"],
  bucket: ["int", "long", "decimal", "string", "uuid", "binary", "time", ...dates],
  truncate: ["int", "long", "string", "binary"]
}
const isTime = ({ transform }: PartitionField) => ["year", "month", "day", "hour"].includes(transform)

const partitionFaults = ({ partitionBy, columns }: StreamDefinition): Array<Fault> =>
  partitionBy.flatMap((field, index) => {
    const { column: path, transform, width } = field
    const one = (sentence: string): Array<Fault> => [{ path, sentence }]
    const column = columns.find(({ name }) => name === path)
    if (column === undefined) return one(`Partition.${transform} needs a top-level column of the stream`)
    const type = column.type.startsWith("decimal") ? "decimal" : column.type
    if (!fits[transform].includes(type)) {
      return one(
        `Partition.${transform} does not fit a column of type ${column.type}; it takes ${fits[transform].join(", ")}`
      )
    }
    const sized = transform === "bucket" || transform === "truncate"
    if (sized && (width === undefined || !Number.isInteger(width) || width < 1 || width > 2_147_483_647)) {
      return one(`Partition.${transform} needs a whole number from 1 to 2147483647`)
    }
    const before = partitionBy.slice(0, index).filter((other) => other.column === path)
    if (before.some((other) => other.transform === transform)) return one(`Partition.${transform} is used twice`)
    if (isTime(field) && before.some(isTime)) return one("only one of year, month, day and hour can divide a column")
    return []
  })

/** Of a stream's name. `weather` is the built-in stream's; that of a processor's late events has an ending of its own. */
const streamNameFaults = ({ name, writer }: StreamDefinition): Array<Fault> => {
  const one = (sentence: string): Array<Fault> => [{ path: "", sentence }]
  if (!streamName.test(name)) {
    return one("a stream's name is made of a–z, 0–9 and _, begins with a letter, and has at most 63 characters")
  }
  if (name === "weather") return one("the name weather belongs to the built-in stream")
  if (writer !== undefined && name === `${writer}_late`) return []
  const ending = reservedEndings.find((one) => name.endsWith(one))
  return ending === undefined ? [] : one(`names that end in ${ending} are reserved`)
}

/** Every fault of a definition, in the order of the declaration. */
export const validateStream = (definition: StreamDefinition): ReadonlyArray<Fault> => [
  ...streamNameFaults(definition),
  ...columnFaults(definition.columns),
  ...keyFaults(definition),
  ...partitionFaults(definition),
  ...renameFaults(definition)
]

const renameFaults = ({ columns }: StreamDefinition): Array<Fault> =>
  columns.flatMap(({ name, renamedFrom }) => {
    if (renamedFrom === undefined) return []
    const one = (sentence: string): Array<Fault> => [{ path: name, sentence }]
    if (columns.some((other) => other.name === renamedFrom)) {
      return one(`it is renamed from ${renamedFrom}, which is still a column`)
    }
    const twice = columns.some((other) => other.name !== name && other.renamedFrom === renamedFrom)
    return twice ? one(`two columns are renamed from ${renamedFrom}`) : []
  })
