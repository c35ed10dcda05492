/** Creates the table `iceberg.default.weather` through Trino, or compares the existing one; never alters it. */
import { Effect, Predicate, Schema, Stream } from "effect"
import { Query, QueryFailed } from "../../../services/Query.ts"
import { columns } from "../../../services/Weather.ts"
import { parseShowCreate } from "./parseShowCreate.ts"

export const name = "iceberg.default.weather"

class TableDiffers extends Schema.TaggedError<TableDiffers>()("TableDiffers", {
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The table ${name} exists but differs from what Floe needs: ${this.differences.join("; ")}. Nothing was changed.`
  }
}

class LocationTaken extends Schema.TaggedError<LocationTaken>()("LocationTaken", { location: Schema.String }) {
  override get message() {
    return `There are files at ${this.location}, but the catalog has no table ${name}: restore the metastore's database, or move these files away.`
  }
}

const shape: Record<string, string> = {
  format: "'PARQUET'",
  format_version: "2",
  partitioning: "ARRAY['ts']"
}

/** The properties of `default.weather`. */
export const propertiesAt = (bucket: string): Record<string, string> => ({
  ...shape,
  location: `'s3a://${bucket}/default/weather'`
})

const indented = (lines: ReadonlyArray<string>) => lines.map((line) => `   ${line}`).join(",\n")

/** Without a location among the properties, Trino chooses one. */
export const createStatement = (name: string, properties = shape) => `CREATE TABLE IF NOT EXISTS ${name} (
${indented(columns.map((column) => `${column} varchar`))}
)
WITH (
${indented(Object.entries(properties).map(([key, value]) => `${key} = ${value}`))}
)`

/** How the output of `SHOW CREATE TABLE` differs from the table that Floe needs; other properties are ignored. */
export const differences = (shown: string, bucket: string): ReadonlyArray<string> => {
  const { columns: shownColumns, properties } = parseShowCreate(shown)
  const actual = shownColumns.join(", ")
  const wanted = columns.map((column) => `${column} varchar`).join(", ")
  return [
    ...(actual === wanted ? [] : [`its columns are (${actual}) instead of (${wanted})`]),
    ...Object.entries(propertiesAt(bucket))
      .filter(([key, value]) => properties.get(key) !== value)
      .map(([key, value]) => `its ${key} is ${properties.get(key) ?? "not set"} instead of ${value}`)
  ]
}

const rowsOf = Effect.fnUntraced(function* (sql: string) {
  return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
}, Effect.scoped)

export const create = Effect.fn("WeatherTable.create")(function* (bucket: string) {
  yield* rowsOf(`CREATE SCHEMA IF NOT EXISTS iceberg.default WITH (location = 's3a://${bucket}/default')`)
  const before = yield* rowsOf("SHOW TABLES FROM iceberg.default LIKE 'weather'")
  yield* rowsOf(createStatement(name, propertiesAt(bucket))).pipe(
    Effect.catchReason("QueryFailed", "LocationNotEmpty", () =>
      Effect.fail(new LocationTaken({ location: `s3a://${bucket}/default/weather` }))
    )
  )
  const [[shown] = []] = yield* rowsOf(`SHOW CREATE TABLE ${name}`)
  if (!Predicate.isString(shown))
    return yield* QueryFailed.because(`Trino returned no definition of the table ${name}.`)
  const different = differences(shown, bucket)
  if (different.length > 0) return yield* new TableDiffers({ differences: different })
  return before.length === 0 ? "created" : "present"
})
