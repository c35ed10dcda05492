/** Parts of a stream's definition, as a person reads them. */
import type { Column, ColumnType, PartitionField, Rules } from "../../../services/StreamDefinition.ts"
import { plural } from "../../runtime/plural.ts"

/** `day(at)`, `bucket(device, 16)`; for identity the column alone. */
const partitionText = ({ column, transform, width }: PartitionField) => {
  if (transform === "identity") return column
  return width === undefined ? `${transform}(${column})` : `${transform}(${column}, ${width})`
}

export const partitionsText = (fields: ReadonlyArray<PartitionField>) => fields.map(partitionText).join(", ")

const limits = ({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Rules) => [
  ...(minimum === undefined ? [] : [`≥ ${minimum}`]),
  ...(exclusiveMinimum === undefined ? [] : [`> ${exclusiveMinimum}`]),
  ...(maximum === undefined ? [] : [`≤ ${maximum}`]),
  ...(exclusiveMaximum === undefined ? [] : [`< ${exclusiveMaximum}`])
]

const between = (unit: readonly [one: string, many: string], least: number | undefined, most: number | undefined) => {
  if (least === undefined && most === undefined) return []
  const [a, b] = [plural(least ?? 0, ...unit), plural(most ?? 0, ...unit)]
  if (most === undefined) return [`at least ${a}`]
  return [least === undefined ? `at most ${b}` : `${least} to ${b}`]
}

/** `≥ 0, ≤ 100`; empty without rules. */
export const rulesText = (type: ColumnType) => {
  const rules = type.type === "struct" ? undefined : type.rules
  if (rules === undefined) return ""
  return [
    ...between(["character", "characters"], rules.minLength, rules.maxLength),
    ...between(type.type === "map" ? ["entry", "entries"] : ["element", "elements"], rules.minItems, rules.maxItems),
    ...(rules.pattern === undefined ? [] : [`/${rules.pattern.source}/${rules.pattern.flags}`]),
    ...(rules.oneOf === undefined ? [] : [rules.oneOf.map((text) => JSON.stringify(text)).join(" | ")]),
    ...limits(rules),
    ...(rules.multipleOf === undefined ? [] : [`multiple of ${rules.multipleOf}`])
  ].join(", ")
}

interface Path {
  readonly path: string
  readonly type: ColumnType
  /** Undefined for elements and values. */
  readonly column: Column | undefined
}

const below = (type: ColumnType, path: string): ReadonlyArray<Path> => {
  switch (type.type) {
    case "struct":
      return pathsIn(type.fields, `${path}.`)
    case "list":
      return [
        { path: `${path}.element`, type: type.element, column: undefined },
        ...below(type.element, `${path}.element`)
      ]
    case "map":
      return [{ path: `${path}.value`, type: type.value, column: undefined }, ...below(type.value, `${path}.value`)]
    default:
      return []
  }
}

/** Each column, followed by what is nested in it. */
export const pathsIn = (columns: ReadonlyArray<Column>, prefix = ""): ReadonlyArray<Path> =>
  columns.flatMap((column) => {
    const path = `${prefix}${column.name}`
    return [{ path, type: column, column }, ...below(column, path)]
  })
