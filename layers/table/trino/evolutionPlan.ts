/** The statements that give a table the columns of a stream's version. Pure. */
import type { AppliedStream, Column } from "../../../services/StreamDefinition.ts"
import { decimalOf } from "../../../services/StreamDefinition.ts"
import { literal } from "./rows.ts"
import type { TableColumn } from "./tableColumns.ts"
import { earlierNames, quoted, sameName, type TrinoType, trinoType, typeSql, typeText } from "./trinoTypes.ts"

interface Step {
  /** What it does, for a person. */
  readonly what: string
  readonly statement: string
}

export interface EvolutionPlan {
  readonly steps: ReadonlyArray<Step>
  /** Why the table cannot have these columns: ends of sentences that begin with the table. */
  readonly conflicts: ReadonlyArray<string>
  /** Columns that another program added; they stay. */
  readonly foreign: ReadonlyArray<string>
}

const wider: Readonly<Record<string, string>> = { integer: "bigint", real: "double" }

const canWiden = (from: string, to: string) => {
  if (wider[from] === to) return true
  const [a, b] = [decimalOf(from), decimalOf(to)]
  return a !== undefined && b !== undefined && a.scale === b.scale && a.precision < b.precision
}

/** The names of a path, and whether its last step is an element of a list or a value of a map. */
interface Path {
  readonly names: ReadonlyArray<string>
  readonly isField: boolean
  /** Whether there is a map on the way to it: Trino cannot add fields there. */
  readonly isInMap: boolean
}

const textOf = ({ names }: Path) => names.join(".")
const sqlOf = ({ names }: Path) => names.map(quoted).join(".")

const differs = (from: TrinoType, to: TrinoType, path: Path) =>
  `its column ${textOf(path)} is ${typeText(from)} instead of ${typeText(to)}`

const planner = (table: string, { ids }: AppliedStream) => {
  const steps: Array<Step> = []
  const additions: Array<Step & { readonly id: number }> = []
  const conflicts: Array<string> = []
  const alter = (what: string, change: string) => void steps.push({ what, statement: `ALTER TABLE ${table} ${change}` })

  const add = (path: Path, type: TrinoType, comment = "") =>
    void additions.push({
      id: ids[textOf(path)] ?? 0,
      what: `adding ${textOf(path)}`,
      statement: `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${sqlOf(path)} ${typeSql(type)}${comment}`
    })
  /** In the order of the ids that Floe gave, as Trino gives the next ones to each column with all that is nested in it. */
  const added = () => additions.sort((a, b) => a.id - b.id).map(({ statement, what }) => ({ what, statement }))

  const type = (from: TrinoType, to: TrinoType, path: Path): void => {
    if (typeof from === "string" && typeof to === "string") {
      if (from === to) return
      const change = `from ${from} to ${to}`
      if (!canWiden(from, to)) conflicts.push(differs(from, to, path))
      else if (path.isField)
        alter(`changing ${textOf(path)} ${change}`, `ALTER COLUMN ${sqlOf(path)} SET DATA TYPE ${to}`)
      else conflicts.push(`Trino cannot change ${textOf(path)} ${change}, as it is within a list or a map`)
      return
    }
    if (typeof from !== "string" && typeof to !== "string") {
      const below = (name: string) => ({ names: [...path.names, name], isField: false, isInMap: path.isInMap })
      if ("row" in from && "row" in to) fields(from.row, to.row, path)
      else if ("array" in from && "array" in to) type(from.array, to.array, below("element"))
      else if ("key" in from && "key" in to) type(from.value, to.value, { ...below("value"), isInMap: true })
      else conflicts.push(differs(from, to, path))
      return
    }
    conflicts.push(differs(from, to, path))
  }

  type Fields = ReadonlyArray<{ readonly name: string; readonly type: TrinoType }>
  const fields = (from: Fields, to: Fields, { isInMap, names }: Path) => {
    for (const { name, type: wanted } of to) {
      const path = { names: [...names, name], isField: true, isInMap }
      const actual = from.find((field) => sameName(field.name, name))
      if (actual !== undefined) type(actual.type, wanted, path)
      else if (isInMap) conflicts.push(`Trino cannot add the field ${textOf(path)}, as it is within a map`)
      else add(path, wanted)
    }
  }
  return { add, added, alter, conflicts, steps, type }
}

const fieldsOf = (type: TrinoType): ReadonlyArray<string> => {
  if (typeof type === "string") return []
  if ("row" in type)
    return type.row.flatMap(({ name, type }) => [name, ...fieldsOf(type).map((path) => `${name}.${path}`)])
  const [step, inner] = "array" in type ? ["element", type.array] : ["value", type.value]
  return fieldsOf(inner).map((path) => `${step}.${path}`)
}

/** The paths that the table has and this version does not. */
const surplus = (actual: ReadonlyArray<TableColumn>, columns: ReadonlyArray<Column>) => {
  const wanted = new Set(
    columns.flatMap((column) =>
      [column.name, ...fieldsOf(trinoType(column)).map((path) => `${column.name}.${path}`)].map((path) =>
        path.toLowerCase()
      )
    )
  )
  const isGone = (path: string) => !wanted.has(path.toLowerCase())
  return actual.flatMap(({ name, type }) => {
    if (isGone(name)) return [name]
    const nested = fieldsOf(type)
      .map((path) => `${name}.${path}`)
      .filter(isGone)
    return nested.filter((path) => !nested.some((other) => path.startsWith(`${other}.`)))
  })
}

/**
 * Each statement is planned only if the table lacks what it does, so that the plan of an interrupted change has the rest of it.
 * A column that the stream no longer has is dropped; one that it never had is another program's, and stays.
 */
export const evolutionPlan = (
  stream: AppliedStream,
  columns: ReadonlyArray<TableColumn>,
  table = `iceberg.default.${quoted(stream.definition.name)}`
): EvolutionPlan => {
  const { add, added, alter, conflicts, steps, type } = planner(table, stream)
  const actual = [...columns]
  const taken = stream.definition.columns
  for (const column of taken) {
    const { doc, name } = column
    const before = actual.findIndex(
      (one) =>
        earlierNames(stream, column).some((earlier) => sameName(one.name, earlier)) &&
        !taken.some((other) => sameName(other.name, one.name))
    )
    const renamed = actual[before]
    const isThere = actual.some((one) => sameName(one.name, name))
    if (renamed !== undefined && isThere) conflicts.push(`it has both ${renamed.name} and ${name}, its new name`)
    else if (renamed !== undefined) {
      alter(`renaming ${renamed.name} to ${name}`, `RENAME COLUMN ${quoted(renamed.name)} TO ${quoted(name)}`)
      actual[before] = { ...renamed, name: name.toLowerCase() }
    }
    const found = actual.find((one) => sameName(one.name, name))
    const comment = doc === undefined ? "" : ` COMMENT ${literal(doc)}`
    if (found === undefined) {
      add({ names: [name], isField: true, isInMap: false }, trinoType(column), comment)
      continue
    }
    if (!found.isNullable) conflicts.push(`its column ${name} is NOT NULL`)
    type(found.type, trinoType(column), { names: [name], isField: true, isInMap: false })
    if ((doc ?? null) !== found.comment) {
      steps.push({
        what: `describing ${name}`,
        statement: `COMMENT ON COLUMN ${table}.${quoted(name)} IS ${doc === undefined ? "NULL" : literal(doc)}`
      })
    }
  }
  steps.push(...added())
  const owned = new Set(Object.keys(stream.ids).map((path) => path.toLowerCase()))
  const extra = surplus(actual, taken)
  for (const path of extra.filter((path) => owned.has(path.toLowerCase()))) {
    alter(`dropping ${path}`, `DROP COLUMN IF EXISTS ${path.split(".").map(quoted).join(".")}`)
  }
  const foreign = extra.filter((path) => !owned.has(path.toLowerCase()))
  const required = foreign.filter((path) => actual.some(({ isNullable, name }) => name === path && !isNullable))
  for (const name of required) conflicts.push(`its column ${name} is NOT NULL, and the stream does not have it`)
  return { steps, conflicts, foreign }
}
