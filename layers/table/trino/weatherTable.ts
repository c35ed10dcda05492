/** Creates the table `iceberg.default.weather` through Trino, or compares the existing one; never alters it. */
import { Effect, Predicate, Schema, Stream } from "effect"
import { Query, QueryFailed } from "../../../services/Query.ts"
import { columns, weatherStream } from "../../../services/Weather.ts"
import { parseShowCreate } from "./parseShowCreate.ts"
import * as StreamTable from "./streamTable.ts"

export const name = "iceberg.default.weather"

class TableDiffers extends Schema.TaggedError<TableDiffers>()("TableDiffers", {
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The table ${name} exists but differs from what Floe needs: ${this.differences.join("; ")}. Nothing was changed.`
  }
}

/** How the output of `SHOW CREATE TABLE` differs from the table that Floe needs; other properties are ignored. */
export const differences = (shown: string, bucket: string): ReadonlyArray<string> => {
  const actual = parseShowCreate(shown).columns.join(", ")
  const wanted = columns.map((column) => `${column} varchar`).join(", ")
  return [
    ...(actual === wanted ? [] : [`its columns are (${actual}) instead of (${wanted})`]),
    ...StreamTable.propertyDifferences(shown, StreamTable.propertiesOf(weatherStream.definition, bucket))
  ]
}

const rowsOf = Effect.fnUntraced(function* (sql: string) {
  return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
}, Effect.scoped)

export const create = Effect.fn("WeatherTable.create")(function* (bucket: string) {
  const before = yield* rowsOf("SHOW TABLES FROM iceberg.default LIKE 'weather'").pipe(
    Effect.catchReason("QueryFailed", "RelationMissing", () => Effect.succeed([]))
  )
  yield* StreamTable.create(weatherStream, bucket)
  const [[shown] = []] = yield* rowsOf(`SHOW CREATE TABLE ${name}`)
  if (!Predicate.isString(shown))
    return yield* QueryFailed.because(`Trino returned no definition of the table ${name}.`)
  const different = differences(shown, bucket)
  if (different.length > 0) return yield* new TableDiffers({ differences: different })
  return before.length === 0 ? "created" : "present"
})
