/**
 * The difference between a stream as it is applied and as it is declared. Allowed is only what lets the newest schema read
 * every event of the log.
 */
import {
  type AppliedStream,
  type Column,
  type ColumnType,
  decimalOf,
  type StreamDefinition
} from "../../services/StreamDefinition.ts"
import { assignIds, pathsOf } from "./assignIds.ts"
import { narrowed } from "./compareRules.ts"
import { inOneOrder } from "./compileRules.ts"
import type { Fault } from "./Fault.ts"

export interface Change {
  readonly kind: "add" | "change" | "rename" | "remove"
  readonly path: string
  /** What changes, without the path: `int → long`. */
  readonly what: string
}

interface Comparison {
  /** As declared, with the columns in the order of the applied definition, new ones last. */
  readonly definition: StreamDefinition
  readonly changes: ReadonlyArray<Change>
  /** Changes that are not possible, and what to do. */
  readonly refusals: ReadonlyArray<Fault>
}

/** `decimal(12,2)`, `list of int`, `struct`. */
export const typeText = (type: ColumnType): string => {
  if (type.type === "list") return `list of ${typeText(type.element)}`
  return type.type === "map" ? `map to ${typeText(type.value)}` : type.type
}

const isWidened = (from: string, to: string) => {
  if ((from === "int" && to === "long") || (from === "float" && to === "double")) return true
  const [a, b] = [decimalOf(from), decimalOf(to)]
  return a !== undefined && b !== undefined && a.scale === b.scale && a.precision < b.precision
}

const rulesOf = (type: ColumnType) => (type.type === "struct" ? undefined : type.rules)

const newStream = "declare a new stream, or a new optional column beside it"

const compare = (used: ReadonlySet<string>) => {
  const changes: Array<Change> = []
  const refusals: Array<Fault> = []
  const refuse = (path: string, sentence: string) => void refusals.push({ path, sentence })
  const change = (path: string, what: string) => void changes.push({ kind: "change", path, what })

  const type = <T extends ColumnType>(from: ColumnType, to: T, path: string): T => {
    if (from.type !== to.type && !isWidened(from.type, to.type)) {
      refuse(path, `its type cannot change from ${typeText(from)} to ${typeText(to)}; ${newStream}`)
      return to
    }
    if (from.type !== to.type) change(path, `${from.type} → ${to.type}`)
    const rules = rulesOf(to)
    const stricter = narrowed(rulesOf(from), rules)
    if (stricter.length > 0) {
      refuse(
        path,
        `${stricter.join(" and ")} cannot become stricter, because the log may have events that break it; ${newStream}`
      )
    } else if (
      JSON.stringify(inOneOrder(rulesOf(from) ?? {})) !== JSON.stringify(inOneOrder(rules ?? {})) &&
      from.type === to.type
    ) {
      change(path, "wider rules")
    }
    if (from.type === "struct" && to.type === "struct") {
      return { ...to, fields: columns(from.fields, to.fields, path) }
    }
    if (from.type === "list" && to.type === "list") {
      nullability(from.nullable, to.nullable, path)
      return { ...to, element: type(from.element, to.element, `${path}.element`) }
    }
    if (from.type === "map" && to.type === "map") {
      nullability(from.nullable, to.nullable, path)
      return { ...to, value: type(from.value, to.value, `${path}.value`) }
    }
    return to
  }

  const nullability = (from: boolean, to: boolean, path: string) => {
    if (from && !to)
      refuse(
        path,
        `it may contain null and must stay so, because earlier events may have one; use Schema.NullOr inside it`
      )
    if (!from && to) change(path, "may contain null")
  }

  const added = (column: Column, path: string) => {
    if (used.has(path)) {
      refuse(path, "a column had this name before, and the log still has its values; choose another name")
    } else if (column.required) {
      refuse(path, "a new column must be optional, because earlier events do not have it; use Schema.optionalKey")
    } else changes.push({ kind: "add", path, what: typeText(column) })
    return column
  }

  const kept = (before: Column, after: Column, path: string): Column => {
    if (!before.required && after.required) {
      refuse(path, "it was optional and must stay so, because earlier events may lack it; use Schema.optionalKey")
    }
    if (before.required && !after.required) change(path, "required → optional")
    if (before.doc !== after.doc) change(path, "another description")
    const column = type(before, after, path)
    const renamedFrom = after.renamedFrom ?? before.renamedFrom
    return renamedFrom === undefined ? column : { ...column, renamedFrom }
  }

  const columns = (from: ReadonlyArray<Column>, to: ReadonlyArray<Column>, parent: string): ReadonlyArray<Column> => {
    const join = (name: string) => (parent === "" ? name : `${parent}.${name}`)
    const rest = new Map(to.map((column) => [column.name, column]))
    const old = from.flatMap((before) => {
      const alias = to.find(
        ({ name, renamedFrom }) => renamedFrom === before.name && !from.some((one) => one.name === name)
      )
      const after = rest.get(before.name) ?? alias
      if (after === undefined) {
        changes.push({ kind: "remove", path: join(before.name), what: typeText(before) })
        return []
      }
      rest.delete(after.name)
      if (after.name !== before.name) {
        if (used.has(join(after.name))) {
          refuse(after.name, "a column had this name before, and the log still has its values; choose another name")
        }
        changes.push({ kind: "rename", path: join(after.name), what: `renamed from ${before.name}` })
      }
      return [kept(before, after, join(after.name))]
    })
    return [...old, ...[...rest.values()].map((column) => added(column, join(column.name)))]
  }

  return { columns, change, refuse, changes, refusals }
}

/** The names that columns had, under which earlier events of the log still have values. */
const usedPaths = (history: ReadonlyArray<AppliedStream>) =>
  new Set(history.flatMap(({ ids, definition }) => [...Object.keys(ids), ...pathsOf(definition.columns)]))

/** `history` has every version of the stream, oldest first, at least one. */
export const compareStreams = (history: ReadonlyArray<AppliedStream>, wanted: StreamDefinition): Comparison => {
  const applied = history.at(-1)
  if (applied === undefined) return { definition: wanted, changes: [], refusals: [] }
  const before = applied.definition
  const { columns, change, refuse, changes, refusals } = compare(usedPaths(history))
  const merged = columns(before.columns, wanted.columns, "")
  for (const { name, renamedFrom } of wanted.columns) {
    const known = [name, renamedFrom].some((one) => before.columns.some((column) => column.name === one))
    if (renamedFrom !== undefined && !known) {
      refuse(name, `it is renamed from ${renamedFrom}, which the stream does not have`)
    }
  }
  const current = (name: string) =>
    wanted.columns.find(
      (column) => column.renamedFrom === name && !before.columns.some((one) => one.name === column.name)
    )?.name ?? name
  if ((before.key === null ? null : current(before.key)) !== wanted.key) {
    refuse(
      "",
      `the key cannot change (it is ${before.key ?? "none"}), because it decides the order of events; declare a new stream`
    )
  }
  const partitions = before.partitionBy.map((field) => ({ ...field, column: current(field.column) }))
  if (JSON.stringify(partitions) !== JSON.stringify(wanted.partitionBy)) {
    refuse("", "the partitions of a table cannot change; declare a new stream")
  }
  if (before.writer !== wanted.writer) {
    const by = (writer: string | undefined) => (writer === undefined ? "clients" : `the processor ${writer}`)
    refuse(
      "",
      `its writer cannot change from ${by(before.writer)} to ${by(wanted.writer)}, because its rows could not be built again from the log; declare a new stream`
    )
  }
  if (before.doc !== wanted.doc) change("", "another description")
  return { definition: { ...wanted, columns: merged }, changes, refusals }
}

/** The former name stays too: events of the log have it as a key. */
const renamed = (ids: AppliedStream["ids"], renames: ReadonlyMap<string, string>) =>
  Object.fromEntries(
    Object.entries(ids).flatMap(([path, id]) => {
      const [first = "", ...rest] = path.split(".")
      const name = renames.get(first)
      if (name === undefined) return [[path, id]]
      return rest.length > 0
        ? [[[name, ...rest].join("."), id]]
        : [
            [path, id],
            [name, id]
          ]
    })
  )

/** The version after the last one of `history`, with the ids of all columns; `appliedAt` in milliseconds since 1970. */
export const nextVersion = (
  history: readonly [...ReadonlyArray<AppliedStream>, AppliedStream],
  wanted: StreamDefinition,
  appliedAt: number
): AppliedStream => {
  const applied = history[history.length - 1] ?? history[0]
  const { definition } = compareStreams(history, wanted)
  const names = new Set(applied.definition.columns.map(({ name }) => name))
  const renames = new Map(
    definition.columns.flatMap(({ name, renamedFrom }) =>
      renamedFrom !== undefined && !names.has(name) && names.has(renamedFrom) ? [[renamedFrom, name]] : []
    )
  )
  return {
    definition,
    version: applied.version + 1,
    ...assignIds(definition, { ids: renamed(applied.ids, renames), lastId: applied.lastId }),
    appliedAt
  }
}
