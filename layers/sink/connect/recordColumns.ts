/** The columns that a stream ever had, for the transform RequireRecord and its counterpart here: records of every version pass. */
import type { AppliedStream, Column, ColumnType } from "../../../services/StreamDefinition.ts"

/** A field that is absent is false or empty. */
export interface RecordType {
  readonly type: ColumnType["type"]
  /** Types that a primitive had before. */
  readonly earlierTypes?: ReadonlyArray<ColumnType["type"]>
  readonly fields?: ReadonlyArray<RecordColumn>
  readonly element?: RecordType
  readonly value?: RecordType
  /** Elements of a list, or values of a map, may be null. */
  readonly nullable?: boolean
}

export interface RecordColumn extends RecordType {
  readonly name: string
  readonly required?: boolean
  readonly earlierNames?: ReadonlyArray<string>
  /** The column was removed; records of earlier versions have it. */
  readonly retired?: boolean
}

const merged = (before: RecordType | undefined, now: ColumnType): RecordType => {
  switch (now.type) {
    case "struct":
      return { type: now.type, fields: mergedColumns(before?.fields ?? [], now.fields, ({ name }) => name) }
    case "list":
      return { type: now.type, element: merged(before?.element, now.element), ...(now.nullable && { nullable: true }) }
    case "map":
      return { type: now.type, value: merged(before?.value, now.value), ...(now.nullable && { nullable: true }) }
    default: {
      const earlier = [...(before?.earlierTypes ?? []), ...(before === undefined ? [] : [before.type])]
      const others = [...new Set(earlier)].filter((type) => type !== now.type)
      return { type: now.type, ...(others.length > 0 && { earlierTypes: others }) }
    }
  }
}

const retired = ({ required: _, ...column }: RecordColumn): RecordColumn => ({ ...column, retired: true })

/** `keyOf` gives what a column keeps when it is renamed. */
const mergedColumns = (
  before: ReadonlyArray<RecordColumn>,
  now: ReadonlyArray<Column>,
  keyOf: (column: { readonly name: string }) => unknown
): ReadonlyArray<RecordColumn> => {
  const columns = new Map(now.map((column) => [keyOf(column), column]))
  const known = new Set(before.map(keyOf))
  const next = (column: Column, old?: RecordColumn): RecordColumn => {
    const names = new Set([...(old?.earlierNames ?? []), ...(old === undefined ? [] : [old.name])])
    names.delete(column.name)
    return {
      name: column.name,
      ...merged(old, column),
      ...(column.required && { required: true }),
      ...(names.size > 0 && { earlierNames: [...names] })
    }
  }
  return [
    ...before.map((old) => {
      const column = columns.get(keyOf(old))
      return column === undefined ? retired(old) : next(column, old)
    }),
    ...now.filter((column) => !known.has(keyOf(column))).map((column) => next(column))
  ]
}

/** `history` has every version of the stream, oldest first. */
export const recordColumns = (history: ReadonlyArray<AppliedStream>): ReadonlyArray<RecordColumn> => {
  const ids = history.at(-1)?.ids ?? {}
  const idOf = ({ name }: { readonly name: string }) => (Object.hasOwn(ids, name) ? ids[name] : name)
  return history.reduce<ReadonlyArray<RecordColumn>>(
    (before, { definition }) => mergedColumns(before, definition.columns, idOf),
    []
  )
}
