/** The table of a stream: its definition for Trino, and what of an existing one does not fit. */
import { Effect, Option, Schema, Stream } from "effect"
import { Query, type QueryError } from "../../../services/Query.ts"
import type { AppliedStream, PartitionField, StreamDefinition } from "../../../services/StreamDefinition.ts"
import { weather } from "../../../services/TableReader.ts"
import { evolutionPlan } from "./evolutionPlan.ts"
import * as LogId from "./logId.ts"
import { parseShowCreate } from "./parseShowCreate.ts"
import { isMissing, literal } from "./rows.ts"
import * as TableColumns from "./tableColumns.ts"
import { quoted, trinoType, typeSql } from "./trinoTypes.ts"

/** Weather's names are plain; those of other streams and their columns may be reserved words. */
const identifier = ({ name }: StreamDefinition, text: string) => (name === weather ? text : quoted(text))

/** The table's name without its schema. */
export const identifierOf = (stream: string) => (stream === weather ? stream : quoted(stream))
export const nameOf = (stream: string) => `iceberg.default.${identifierOf(stream)}`

/** As SQL lists them. */
export const columnNames = (definition: StreamDefinition) =>
  definition.columns.map(({ name }) => identifier(definition, name)).join(", ")

const locationOf = (stream: string, bucket: string) => `s3a://${bucket}/default/${stream}`

/** Trino keeps the names of columns in lower case. */
const partition = ({ column, transform, width }: PartitionField) => {
  const name = column.toLowerCase()
  if (transform === "identity") return name
  return width === undefined ? `${transform}(${name})` : `${transform}(${name}, ${width})`
}

const shapeOf = ({ partitionBy }: StreamDefinition): Record<string, string> => ({
  format: "'PARQUET'",
  format_version: "2",
  ...(partitionBy.length > 0 && {
    partitioning: `ARRAY[${partitionBy.map((field) => literal(partition(field))).join(",")}]`
  })
})

/** The properties that the table must have; values are SQL. */
export const propertiesOf = (definition: StreamDefinition, bucket: string): Record<string, string> => ({
  ...shapeOf(definition),
  location: `'${locationOf(definition.name, bucket)}'`
})

const indented = (lines: ReadonlyArray<string>) => lines.map((line) => `   ${line}`).join(",\n")

/** Of a table with the columns of a stream. Without a location among the properties, Trino chooses one. */
export const createStatement = (
  { definition }: AppliedStream,
  name = nameOf(definition.name),
  properties = shapeOf(definition)
) => {
  const comment = (doc: string | undefined, gap: string) => (doc === undefined ? "" : `${gap}COMMENT ${literal(doc)}`)
  const columns = definition.columns.map(
    (column) => `${identifier(definition, column.name)} ${typeSql(trinoType(column))}${comment(column.doc, " ")}`
  )
  return `CREATE TABLE IF NOT EXISTS ${name} (
${indented(columns)}
)
${comment(definition.doc, "")}${definition.doc === undefined ? "" : "\n"}WITH (
${indented(Object.entries(properties).map(([key, value]) => `${key} = ${value}`))}
)`
}

/** How the output of `SHOW CREATE TABLE` differs from these properties, as ends of sentences; others are ignored. */
export const propertyDifferences = (shown: string, wanted: Readonly<Record<string, string>>) => {
  const { properties } = parseShowCreate(shown)
  return Object.entries(wanted)
    .filter(([key, value]) => properties.get(key) !== value)
    .map(([key, value]) => `its ${key} is ${properties.get(key) ?? "not set"} instead of ${value}`)
}

/** How the table's format, location and partitions differ from the stream's, as ends of sentences. */
export const layoutDifferences = (shown: string, definition: StreamDefinition, bucket: string) => {
  const partitioning = parseShowCreate(shown).properties.get("partitioning")
  return [
    ...propertyDifferences(shown, propertiesOf(definition, bucket)),
    ...(definition.partitionBy.length === 0 && partitioning !== undefined
      ? [`its partitioning is ${partitioning}, and the stream has none`]
      : [])
  ]
}

const Shown = Schema.Tuple([Schema.String])
const decodeShown = Schema.decodeUnknownOption(Schema.NonEmptyArray(Shown))

export interface TableState {
  /** What keeps the table from being the stream's, and cannot be changed by `apply`: ends of sentences. */
  readonly conflicts: ReadonlyArray<string>
  /** Statements that bring it to this version of the stream; none if it is there. */
  readonly steps: ReturnType<typeof evolutionPlan>["steps"]
  /** Columns and fields that another program added. They stay, and are NULL in the rows of the sink. */
  readonly foreign: ReadonlyArray<string>
}

const rowsOf = Effect.fnUntraced(
  function* (sql: string) {
    return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
  },
  Effect.scoped,
  Effect.catchTag("SnapshotMissing", Effect.die)
)

/** Compares a stream's table with a version of the stream; none if there is no table. Changes nothing. */
export const compare = Effect.fn("StreamTable.compare")(function* (stream: AppliedStream, bucket: string) {
  const { definition } = stream
  const name = nameOf(definition.name)
  const shown = yield* rowsOf(`SHOW CREATE TABLE ${name}`).pipe(
    Effect.map((rows) => Option.map(decodeShown(rows), ([[text]]) => text)),
    Effect.catchIf(isMissing, () => Effect.succeedNone)
  )
  if (Option.isNone(shown)) return Option.none<TableState>()
  const columns = yield* TableColumns.read(definition.name)
  const plan = evolutionPlan(stream, columns, name)
  const other = layoutDifferences(shown.value, definition, bucket)
  return Option.some<TableState>({ ...plan, conflicts: [...plan.conflicts, ...other] })
})

/** The files of an older table are where the new one belongs. */
export class LocationTaken extends Schema.TaggedError<LocationTaken>()("LocationTaken", {
  location: Schema.String,
  table: Schema.String
}) {
  override get message() {
    return `There are files at ${this.location}, but the catalog has no table ${this.table}: restore the metastore's database, or move these files away.`
  }
}

/** Creates the table, if it is not there, with the id of its topic if it is given. */
export const create = Effect.fn("StreamTable.create")(function* (
  stream: AppliedStream,
  bucket: string,
  logId?: string
): Effect.fn.Return<void, QueryError | LocationTaken, Query> {
  const { definition } = stream
  const location = locationOf(definition.name, bucket)
  yield* rowsOf(`CREATE SCHEMA IF NOT EXISTS iceberg.default WITH (location = 's3a://${bucket}/default')`)
  const properties = {
    ...propertiesOf(definition, bucket),
    ...(logId !== undefined && { extra_properties: LogId.assignment(logId) })
  }
  yield* rowsOf(createStatement(stream, nameOf(definition.name), properties)).pipe(
    Effect.catchReason("QueryFailed", "LocationNotEmpty", () =>
      Effect.fail(new LocationTaken({ location, table: `iceberg.default.${definition.name}` }))
    )
  )
})
