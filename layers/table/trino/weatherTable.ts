/** The table `iceberg.default.weather` through Trino: made where it is missing, compared where it is there, never altered. */
import { Effect, Predicate, Schema, Stream } from "effect"
import { Query, QueryFailed } from "../../../services/Query.ts"
import { columns } from "../../../services/Weather.ts"
import { parseShowCreate } from "./parseShowCreate.ts"

export const name = "iceberg.default.weather"

/** The table that is there is not the one that is wanted. */
class TableDiffers extends Schema.TaggedError<TableDiffers>()("TableDiffers", {
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The table ${name} is there, but not as it should be, and nothing was altered: ${this.differences.join("; ")}.`
  }
}

/** Files where the table is to be, and no table in the catalog. */
class LocationTaken extends Schema.TaggedError<LocationTaken>()("LocationTaken", { location: Schema.String }) {
  override get message() {
    return `There are files at ${this.location}, but the catalog knows no table ${name}: bring the metastore's database back, or move these files away.`
  }
}

/** Of every table with weather in it. */
const shape: Record<string, string> = {
  format: "'PARQUET'",
  format_version: "2",
  partitioning: "ARRAY['ts']"
}

/** Where the table is to be, and how. */
export const propertiesAt = (bucket: string): Record<string, string> => ({
  ...shape,
  location: `'s3a://${bucket}/default/weather'`
})

const indented = (lines: ReadonlyArray<string>) => lines.map((line) => `   ${line}`).join(",\n")

/** At a location of the engine's choice where the properties name none. */
export const createStatement = (name: string, properties = shape) => `CREATE TABLE IF NOT EXISTS ${name} (
${indented(columns.map((column) => `${column} varchar`))}
)
WITH (
${indented(Object.entries(properties).map(([key, value]) => `${key} = ${value}`))}
)`

/** What differs between the wanted table and the one that `SHOW CREATE TABLE` shows; further properties do not count. */
export const differences = (shown: string, bucket: string): ReadonlyArray<string> => {
  const { columns: shownColumns, properties } = parseShowCreate(shown)
  const found = shownColumns.join(", ")
  const wanted = columns.map((column) => `${column} varchar`).join(", ")
  return [
    ...(found === wanted ? [] : [`its columns are (${found}), and should be (${wanted})`]),
    ...Object.entries(propertiesAt(bucket))
      .filter(([key, value]) => properties.get(key) !== value)
      .map(([key, value]) => `its ${key} is ${properties.get(key) ?? "not set"}, and should be ${value}`)
  ]
}

const rowsOf = Effect.fnUntraced(function* (sql: string) {
  return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
}, Effect.scoped)

export const create = Effect.fn("WeatherTable.create")(function* (bucket: string) {
  yield* rowsOf(`CREATE SCHEMA IF NOT EXISTS iceberg.default WITH (location = 's3a://${bucket}/default')`)
  const before = yield* rowsOf("SHOW TABLES FROM iceberg.default LIKE 'weather'")
  yield* rowsOf(createStatement(name, propertiesAt(bucket))).pipe(
    Effect.catchIf(
      (error) => error._tag === "QueryFailed" && error.reason.includes("non-empty location"),
      () => Effect.fail(new LocationTaken({ location: `s3a://${bucket}/default/weather` }))
    )
  )
  const [[shown] = []] = yield* rowsOf(`SHOW CREATE TABLE ${name}`)
  if (!Predicate.isString(shown)) return yield* new QueryFailed({ reason: `Trino does not show the table ${name}.` })
  const found = differences(shown, bucket)
  if (found.length > 0) return yield* new TableDiffers({ differences: found })
  return before.length === 0 ? "created" : "present"
})
