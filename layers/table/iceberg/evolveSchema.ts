/** The table metadata of a stream's next version: a new schema over the same snapshots. Pure. */
import { Option, Schema } from "effect"
import { AppliedStream, decimalOf } from "../../../services/StreamDefinition.ts"
import { type FieldType, type TableField, typeText } from "../schema/fields.ts"
import * as TableSpec from "../schema/TableSpec.ts"
import * as Metadata from "./Metadata.ts"

const decodeStream = Schema.decodeUnknownOption(Schema.fromJsonString(AppliedStream))

/** The stream's definition that the table has; undefined for weather. */
export const appliedIn = ({ properties }: Metadata.TableMetadata) =>
  Option.getOrUndefined(decodeStream(properties[Metadata.streamProperty]))

/** The spec to write with: of the version that the table has, with the table's names of partition fields. */
export const specIn = (metadata: Metadata.TableMetadata, spec: TableSpec.TableSpec) => {
  const recorded = appliedIn(metadata)
  const newest = recorded?.definition.name === spec.stream.definition.name ? TableSpec.make(recorded) : spec
  const own = metadata["partition-specs"].find((one) => one["spec-id"] === spec.partitionSpec["spec-id"])
  if (own === undefined || spec.hasHiveLayout) return newest
  return TableSpec.withPartitionNames(
    newest,
    own.fields.map(({ name }) => name)
  )
}

const wider: Readonly<Record<string, string>> = { int: "long", float: "double" }

const canBecome = (from: string, to: string) => {
  if (from.replaceAll(" ", "") === to.replaceAll(" ", "") || wider[from] === to) return true
  const [before, after] = [decimalOf(from), decimalOf(to)]
  return (
    before !== undefined && after !== undefined && before.scale === after.scale && before.precision <= after.precision
  )
}

/** The first field that changes in a way that old files do not allow. */
const conflictOf = (before: FieldType, after: FieldType, path: string): string | undefined => {
  const sentence = `cannot change the column ${path} from ${typeText(before)} to ${typeText(after)}`
  if (typeof before === "string" || typeof after === "string") {
    const fits = typeof before === "string" && typeof after === "string" && canBecome(before, after)
    return fits ? undefined : sentence
  }
  if (before.type === "struct" && after.type === "struct") return conflictIn(before.fields, after.fields, `${path}.`)
  if (before.type === "list" && after.type === "list")
    return conflictOf(before.element, after.element, `${path}.element`)
  if (before.type === "map" && after.type === "map") return conflictOf(before.value, after.value, `${path}.value`)
  return sentence
}

const conflictIn = (
  before: ReadonlyArray<TableField>,
  after: ReadonlyArray<TableField>,
  prefix: string
): string | undefined => {
  for (const { id, name, type } of after) {
    const old = before.find((one) => one.id === id)
    if (old === undefined) continue
    if (prefix !== "" && old.name !== name) return `cannot rename the nested column ${prefix}${old.name} to ${name}`
    const conflict = conflictOf(old.type, type, `${prefix}${name}`)
    if (conflict !== undefined) return conflict
  }
  return undefined
}

/** The ids that the stream gets with this version. */
const newIds = (before: TableSpec.TableSpec, after: TableSpec.TableSpec) => {
  const known = new Set(Object.values(before.stream.ids))
  return Object.values(after.stream.ids).filter((id) => !known.has(id))
}

const refusalOf = (metadata: Metadata.TableMetadata, before: TableSpec.TableSpec, after: TableSpec.TableSpec) => {
  const conflict = conflictIn(before.schema.fields, after.schema.fields, "")
  if (conflict !== undefined) return conflict
  const transforms = ({ partitionSpec }: TableSpec.TableSpec) =>
    partitionSpec.fields.map((field) => `${field.transform} ${field["source-id"]}`).join()
  if (transforms(before) !== transforms(after)) return "cannot change how it is partitioned"
  const taken = newIds(before, after).find((id) => id <= metadata["last-column-id"])
  if (taken !== undefined) return `has used the field id ${taken} for a column that another program added`
  const partitions = metadata["partition-specs"].flatMap(({ fields }) => fields)
  const clash = after.schema.fields.find(({ id, name }) =>
    partitions.some((field) => field.name === name && !(field.transform === "identity" && field["source-id"] === id))
  )
  return clash === undefined ? undefined : `has a partition field ${clash.name}, so no column can have this name`
}

/** Columns that another program added stay, after those of the stream. */
const foreignFields = (metadata: Metadata.TableMetadata, { stream }: TableSpec.TableSpec) => {
  const own = new Set(Object.values(stream.ids))
  return (Metadata.currentSchema(metadata)?.fields ?? []).filter(({ id }) => !own.has(id))
}

/**
 * DuckDB marks a column of Parquet as an int, and Iceberg's vectorized reader for Spark then cannot read it as a long (tried
 * with Iceberg 1.9.2): Spark must read such a table row by row.
 */
const forSpark = (before: TableSpec.TableSpec, after: TableSpec.TableSpec) => {
  const isPromoted = ({ id, type }: TableField) =>
    type === "long" && before.schema.fields.some((one) => one.id === id && one.type === "int")
  return after.schema.fields.some(isPromoted) ? { "read.parquet.vectorization.enabled": "false" } : {}
}

export type Evolved =
  | { readonly _tag: "Unchanged" }
  | { readonly _tag: "Changed"; readonly metadata: Metadata.TableMetadata }
  /** `reason` is the end of a sentence that begins with the metadata file. */
  | { readonly _tag: "Refused"; readonly reason: string }

/** The metadata with the columns of `after`, where the table has those of `before`. */
export const evolved = (
  metadata: Metadata.TableMetadata,
  before: TableSpec.TableSpec,
  after: TableSpec.TableSpec
): Evolved => {
  if (before.stream.version > after.stream.version) return { _tag: "Unchanged" }
  if (before.stream.version === after.stream.version) {
    if (JSON.stringify(before.schema) === JSON.stringify(after.schema)) return { _tag: "Unchanged" }
    return { _tag: "Refused", reason: `has other columns in version ${after.stream.version} of the stream` }
  }
  const reason = refusalOf(metadata, before, after)
  if (reason !== undefined) return { _tag: "Refused", reason }
  const fields = [...after.schema.fields, ...foreignFields(metadata, after)]
  const same = metadata.schemas.find((one) => JSON.stringify(one.fields) === JSON.stringify(fields))
  const id = same?.["schema-id"] ?? Math.max(...metadata.schemas.map((one) => one["schema-id"])) + 1
  return {
    _tag: "Changed",
    metadata: {
      ...metadata,
      "last-column-id": Math.max(metadata["last-column-id"], after.stream.lastId),
      "current-schema-id": id,
      schemas:
        same === undefined ? [...metadata.schemas, { type: "struct", "schema-id": id, fields }] : metadata.schemas,
      properties: {
        ...metadata.properties,
        "schema.name-mapping.default": JSON.stringify(after.nameMapping),
        [Metadata.streamProperty]: JSON.stringify(after.stream),
        ...forSpark(before, after)
      }
    }
  }
}
