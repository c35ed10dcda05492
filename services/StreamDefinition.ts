/**
 * What a stream is: its columns, its key, and how its table is partitioned. A user's module compiles to it, and the log keeps it.
 * Owns: the shapes and the names. Does not own: compiling a module, checking values, the files of a table.
 */
import { Schema } from "effect"

/** Iceberg's primitive types, under its names. A decimal is `decimal(precision,scale)`. */
export const primitives = [
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "date",
  "time",
  "timestamp",
  "timestamptz",
  "string",
  "uuid",
  "binary"
] as const
type Primitive = (typeof primitives)[number]

const decimalType = /^decimal\((\d+), ?(\d+)\)$/

/** Precision and scale of `decimal(12,2)`; Iceberg's metadata may have a space in it. Undefined for any other type. */
export const decimalOf = (type: string) => {
  const [, precision, scale] = decimalType.exec(type) ?? []
  return precision === undefined ? undefined : { precision: Number(precision), scale: Number(scale) }
}

const Decimal = Schema.TemplateLiteral(["decimal(", Schema.Int, ",", Schema.Int, ")"])

/** What the door checks beside the type. Lengths count UTF-16 code units; numbers of long and decimal are texts. */
const Rules = Schema.Struct({
  minLength: Schema.optionalKey(Schema.Int),
  maxLength: Schema.optionalKey(Schema.Int),
  /** Source and flags of a regular expression. */
  pattern: Schema.optionalKey(Schema.Struct({ source: Schema.String, flags: Schema.String })),
  /** The texts that are allowed. */
  oneOf: Schema.optionalKey(Schema.Array(Schema.String)),
  minimum: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String])),
  maximum: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String])),
  exclusiveMinimum: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String])),
  exclusiveMaximum: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String])),
  multipleOf: Schema.optionalKey(Schema.Finite),
  /** Of a list, or of a map. */
  minItems: Schema.optionalKey(Schema.Int),
  maxItems: Schema.optionalKey(Schema.Int)
})
export type Rules = typeof Rules.Type

/** A primitive value. `json` is any JSON value, kept as text in a string column. `accepted` is a timestamptz that the server sets. */
interface PrimitiveType {
  readonly type: Primitive | `decimal(${number},${number})` | "json" | "accepted"
  readonly rules?: Rules
}
interface StructType {
  readonly type: "struct"
  readonly fields: ReadonlyArray<Column>
}
interface ListType {
  readonly type: "list"
  readonly element: ColumnType
  /** Elements may be null. */
  readonly nullable: boolean
  readonly rules?: Rules
}
/** The keys are strings. */
interface MapType {
  readonly type: "map"
  readonly value: ColumnType
  /** Values may be null. */
  readonly nullable: boolean
  readonly rules?: Rules
}
export type ColumnType = PrimitiveType | StructType | ListType | MapType

/** A column, or a field of a struct. The table's columns are all optional; `required` holds at the door. */
export type Column = ColumnType & {
  readonly name: string
  readonly required: boolean
  readonly doc?: string
  /** The name that this top-level column had before. */
  readonly renamedFrom?: string
}

const rules = Schema.optionalKey(Rules)
const ref = <A>(schema: () => Schema.Codec<A>) => Schema.suspend(schema)

const primitiveFields = {
  type: Schema.Union([Schema.Literals([...primitives, "json", "accepted"]), Decimal]),
  rules
}
const structFields = { type: Schema.Literal("struct"), fields: Schema.Array(ref((): Schema.Codec<Column> => Column)) }
const listFields = {
  type: Schema.Literal("list"),
  element: ref((): Schema.Codec<ColumnType> => ColumnType),
  nullable: Schema.Boolean,
  rules
}
const mapFields = {
  type: Schema.Literal("map"),
  value: ref((): Schema.Codec<ColumnType> => ColumnType),
  nullable: Schema.Boolean,
  rules
}

export const ColumnType: Schema.Codec<ColumnType> = Schema.Union([
  Schema.Struct(primitiveFields),
  Schema.Struct(structFields),
  Schema.Struct(listFields),
  Schema.Struct(mapFields)
]).annotate({ identifier: "ColumnType" })

const named = {
  name: Schema.String,
  required: Schema.Boolean,
  doc: Schema.optionalKey(Schema.String),
  renamedFrom: Schema.optionalKey(Schema.String)
}

export const Column: Schema.Codec<Column> = Schema.Union([
  Schema.Struct({ ...named, ...primitiveFields }),
  Schema.Struct({ ...named, ...structFields }),
  Schema.Struct({ ...named, ...listFields }),
  Schema.Struct({ ...named, ...mapFields })
]).annotate({ identifier: "Column" })

/** `width` belongs to bucket (the number of buckets) and truncate (a width, or a length of code points). */
export const PartitionField = Schema.Struct({
  column: Schema.String,
  transform: Schema.Literals(["identity", "year", "month", "day", "hour", "bucket", "truncate"]),
  width: Schema.optionalKey(Schema.Int)
})
export type PartitionField = typeof PartitionField.Type

export const StreamDefinition = Schema.Struct({
  name: Schema.String,
  doc: Schema.optionalKey(Schema.String),
  columns: Schema.Array(Column),
  /** The column whose value is Kafka's key; null for none. */
  key: Schema.NullOr(Schema.String),
  partitionBy: Schema.Array(PartitionField),
  /** The processor that writes it; absent if clients do. */
  writer: Schema.optionalKey(Schema.String)
})
export type StreamDefinition = typeof StreamDefinition.Type

/**
 * A definition in force, with the table's field ids. An id is given by the column's path (`place.lat`, `tags.element`,
 * `attributes.key`, `attributes.value`), level by level, and never changes or is used again.
 */
export const AppliedStream = Schema.Struct({
  definition: StreamDefinition,
  /** 1 for the first; each change adds 1. */
  version: Schema.Int,
  /** Of all columns that the stream ever had, by path. A renamed column has the same id under each of its names. */
  ids: Schema.Record(Schema.String, Schema.Int),
  /** The highest id that was ever given. */
  lastId: Schema.Int,
  /** Milliseconds since 1970. */
  appliedAt: Schema.Int
})
export type AppliedStream = typeof AppliedStream.Type

/** A version that an apply is bringing in. */
export const BegunStream = Schema.Struct({
  ...AppliedStream.fields,
  /** The apply stops the stream's connector, which was running: whoever completes the change starts it again. */
  isHeld: Schema.optionalKey(Schema.Boolean)
})
export type BegunStream = typeof BegunStream.Type
