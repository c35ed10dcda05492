/** What a stream's table looks like: its schema, its partition spec, its name mapping. */
import type { AppliedStream, ColumnType, PartitionField } from "../../../services/StreamDefinition.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { fieldsOf, nameMapping, type TableField } from "./fields.ts"
import { namesOf, type PartitionColumn, partitionColumn, whyNoPartition } from "./transforms.ts"

export interface TableSpec {
  readonly stream: AppliedStream
  readonly schema: {
    readonly type: "struct"
    readonly "schema-id": 0
    readonly fields: ReadonlyArray<TableField>
  }
  readonly partitionSpec: {
    readonly "spec-id": 0
    readonly fields: ReadonlyArray<{
      readonly name: string
      readonly transform: string
      readonly "source-id": number
      readonly "field-id": number
    }>
  }
  readonly partitions: ReadonlyArray<PartitionColumn>
  readonly nameMapping: ReadonlyArray<ReturnType<typeof nameMapping>>
  /** The names that a top-level column had in earlier versions, by field id: logged events have them as keys. */
  readonly earlierNames: ReadonlyMap<number, ReadonlyArray<string>>
  /** Data files hold the partition's column, and their folders are named after it (`ts=2026-01-08-14`). */
  readonly hasHiveLayout: boolean
}

const suffixes: Readonly<Record<string, string>> = { truncate: "trunc" }

/** As Iceberg's Java library names them; never like a column. */
const partitionName = ({ column, transform }: PartitionField, taken: ReadonlySet<string>) => {
  if (transform === "identity") return column
  const name = `${column}_${suffixes[transform] ?? transform}`
  for (let n = 2; ; n++) {
    if (!taken.has(name)) return name
    if (!taken.has(`${name}_${n}`)) return `${name}_${n}`
  }
}

const partitionsOf = (partitionBy: ReadonlyArray<PartitionField>, fields: ReadonlyArray<TableField>) => {
  const taken = new Set(fields.map(({ name }) => name))
  return partitionBy.map((field): PartitionColumn => {
    const source = fields.find(({ name }) => name === field.column)
    if (source === undefined) throw new Error(`the table is partitioned by ${field.column}, which is no column`)
    const reason = whyNoPartition(field, source.type)
    if (reason !== undefined) throw new Error(`the table is partitioned by ${field.column}, which ${reason}`)
    const name = partitionName(field, taken)
    taken.add(name)
    return partitionColumn(field, source, name)
  })
}

const earlierNamesOf = ({ definition, ids }: AppliedStream): TableSpec["earlierNames"] =>
  new Map(
    definition.columns.map(({ name, renamedFrom }) => {
      const others = Object.keys(ids).filter((path) => path !== name && ids[path] === ids[name] && !path.includes("."))
      return [ids[name] ?? 0, [...new Set([...(renamedFrom === undefined ? [] : [renamedFrom]), ...others])]] as const
    })
  )

/** DuckDB and Spark do not distinguish names by case. */
const sameButForCase = (names: ReadonlyArray<string>) =>
  names.find((name, i) => names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) !== i)

const requireDistinctNames = (
  columns: ReadonlyArray<ColumnType & { readonly name: string }>,
  others: ReadonlyArray<string>
) => {
  const double = sameButForCase([...columns.map(({ name }) => name), ...others])
  if (double !== undefined) throw new Error(`two columns are named ${double}, or differ only by case`)
  for (const column of columns) requireDistinctNested(column)
}

const requireDistinctNested = (column: ColumnType): void => {
  if (column.type === "struct") requireDistinctNames(column.fields, [])
  else if (column.type === "list") requireDistinctNested(column.element)
  else if (column.type === "map") requireDistinctNested(column.value)
}

/** Throws if the definition has a column without an id, or a partition that Iceberg does not have; `apply` checks both before. */
export const make = (stream: AppliedStream): TableSpec => {
  const { columns, name, partitionBy } = stream.definition
  const fields = fieldsOf(columns, stream.ids)
  const earlierNames = earlierNamesOf(stream)
  requireDistinctNames(columns, [...earlierNames.values()].flat())
  const hasHiveLayout = name === weatherStream.definition.name
  const partitions = partitionsOf(partitionBy, fields)
  return {
    stream,
    schema: { type: "struct", "schema-id": 0, fields },
    partitionSpec: {
      "spec-id": 0,
      fields: partitions.map(({ name, source, transform }, i) => ({
        name,
        transform,
        "source-id": source.id,
        "field-id": 1000 + i
      }))
    },
    partitions: hasHiveLayout ? partitions.map((column) => ({ ...column, folder: column.name })) : partitions,
    nameMapping: fields.map((field) => nameMapping(field, earlierNames.get(field.id))),
    earlierNames,
    hasHiveLayout
  }
}

/** A partition field keeps its name when its source column is renamed. */
export const withPartitionNames = (spec: TableSpec, names: ReadonlyArray<string>): TableSpec => ({
  ...spec,
  partitionSpec: {
    ...spec.partitionSpec,
    fields: spec.partitionSpec.fields.map((field, i) => ({ ...field, name: names[i] ?? field.name }))
  },
  partitions: spec.partitions.map((column, i) => ({ ...column, ...namesOf(names[i] ?? column.name) }))
})

/** Of the built-in stream. */
export const weather = make(weatherStream)
