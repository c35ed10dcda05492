/** Changes that a stream may undergo, by the table of docs/streams.md. */
import fc from "fast-check"
import type { Column, ColumnType } from "../../services/StreamDefinition.ts"

const widened = (type: ColumnType): fc.Arbitrary<ColumnType> => {
  if (type.type === "struct") return fieldsOf(type.fields).map((fields) => ({ ...type, fields }))
  if (type.type === "list") {
    return fc
      .tuple(widened(type.element), fc.boolean())
      .map(([element, more]) => ({ ...type, element, nullable: type.nullable || more }))
  }
  if (type.type === "map") {
    return fc
      .tuple(widened(type.value), fc.boolean())
      .map(([value, more]) => ({ ...type, value, nullable: type.nullable || more }))
  }
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type.type) ?? []
  if (precision !== undefined && scale !== undefined) {
    return fc
      .integer({ min: Number(precision), max: 38 })
      .map((more): ColumnType => ({ ...type, type: `decimal(${more},${Number(scale)})` }))
  }
  if (type.type === "int") return fc.constantFrom<ColumnType>(type, { ...type, type: "long" })
  if (type.type === "float") return fc.constantFrom<ColumnType>(type, { ...type, type: "double" })
  return fc.constant(type)
}

const column = (before: Column): fc.Arbitrary<Column> =>
  fc
    .tuple(widened(before), fc.boolean())
    .map(([type, optional]) => ({ ...type, name: before.name, required: before.required && !optional }))

/** A name that no column ever had. */
const fresh = fc.uuid().map((id) => `n${id.replaceAll("-", "")}`)
const added = fc
  .tuple(fresh, fc.constantFrom<ColumnType>({ type: "int" }, { type: "string" }, { type: "accepted" }))
  .map(([name, type]): Column => ({ ...type, name, required: false }))
const addedField = added.map((column): Column => (column.type === "accepted" ? { ...column, type: "date" } : column))

const several = <A>(items: ReadonlyArray<fc.Arbitrary<A>>) => fc.tuple(...items)

const fieldsOf = (fields: ReadonlyArray<Column>): fc.Arbitrary<ReadonlyArray<Column>> =>
  fc
    .tuple(several(fields.map(column)), fc.array(addedField, { maxLength: 1 }))
    .map(([kept, more]) => [...kept, ...more])

/** A change that accepts every event that the columns accept: wider, optional, added. */
export const widerColumns = (columns: ReadonlyArray<Column>): fc.Arbitrary<ReadonlyArray<Column>> =>
  fc
    .tuple(several(columns.map(column)), fc.array(added, { maxLength: 2 }))
    .chain(([kept, more]) => fc.shuffledSubarray([...kept, ...more], { minLength: kept.length + more.length }))

/** A change that removes or renames one of the columns. */
export const otherColumns = (columns: ReadonlyArray<Column>) =>
  fc.tuple(widerColumns(columns), fc.nat(), fc.boolean(), fresh).map(([wider, index, renames, name]) => {
    const gone = columns[index % columns.length]?.name ?? ""
    const after = renames
      ? wider.map((one): Column => (one.name === gone ? { ...one, name, renamedFrom: gone } : one))
      : wider.filter((one) => one.name !== gone)
    return { gone, columns: after }
  })
