/** The built-in stream. Its rules are stricter than a column's can be: services/Weather.ts has them. */
import { Schema } from "effect"
import * as Partition from "./Partition.ts"
import * as Stream from "./Stream.ts"

export const Weather = Stream.make("weather", {
  schema: Schema.Struct({ city: Schema.String, temperature: Schema.String, ts: Schema.String }),
  partitionBy: [Partition.identity("ts")]
})
