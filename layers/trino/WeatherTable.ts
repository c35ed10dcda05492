/** The table `iceberg.default.weather` through Trino: made where it is missing, compared where it is there, never altered. */
import { Effect, Predicate, Schema, Stream } from "effect"
import { Query, QueryFailed } from "../../services/Query.ts"
import { columns } from "../../services/Weather.ts"

const name = "iceberg.default.weather"

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

const propertiesAt = (bucket: string): Record<string, string> => ({
  format: "'PARQUET'",
  format_version: "2",
  location: `'s3a://${bucket}/default/weather'`,
  partitioning: "ARRAY['ts']"
})

const indented = (lines: ReadonlyArray<string>) => lines.map((line) => `   ${line}`).join(",\n")

const statementAt = (bucket: string) => {
  const properties = Object.entries(propertiesAt(bucket)).map(([key, value]) => `${key} = ${value}`)
  return `CREATE TABLE IF NOT EXISTS ${name} (
${indented(columns.map((column) => `${column} varchar`))}
)
WITH (
${indented(properties)}
)`
}

/** The lines between `(` and `)`, as `SHOW CREATE TABLE` indents them. */
const block = (statement: string, opening: string) => {
  const start = statement.indexOf(opening)
  const body = start === -1 ? "" : statement.slice(start + opening.length, statement.indexOf("\n)", start))
  return body
    .split("\n")
    .map((line) => line.trim().replace(/,$/, ""))
    .filter((line) => line !== "")
}

/** What differs between the wanted table and the one that `SHOW CREATE TABLE` shows; further properties do not count. */
export const differences = (shown: string, bucket: string): ReadonlyArray<string> => {
  const found = block(shown, `${name} (`).join(", ")
  const wanted = columns.map((column) => `${column} varchar`).join(", ")
  const properties = new Map(
    block(shown, "\nWITH (").map((line) => {
      const equals = line.indexOf(" = ")
      return [line.slice(0, equals), line.slice(equals + 3)]
    })
  )
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
  yield* rowsOf(statementAt(bucket)).pipe(
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
