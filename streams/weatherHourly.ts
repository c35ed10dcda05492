/** The built-in processor: readings, least, greatest and mean temperature of each city and hour. */
import { Schema } from "effect"
import * as Column from "./Column.ts"
import * as Partition from "./Partition.ts"
import * as Processor from "./Processor.ts"
import * as Stream from "./Stream.ts"
import * as Window from "./Window.ts"
import { Weather } from "./weather.ts"

export const WeatherHourlyRow = Stream.make("weather_hourly", {
  doc: "Readings, least, greatest and mean temperature (°F) of each city and hour of acceptance",
  schema: Schema.Struct({
    city: Schema.String,
    hour: Column.timestamptz,
    readings: Column.int,
    min: Schema.Finite,
    max: Schema.Finite,
    mean: Schema.Finite
  }),
  partitionBy: [Partition.day("hour")]
})

const State = Schema.Struct({
  readings: Column.int,
  min: Schema.Finite,
  max: Schema.Finite,
  mean: Schema.Finite
})

export const WeatherHourly = Processor.window("weather_hourly", {
  from: Processor.rekey(Weather, ({ city }) => city),
  // 2026-01-08-14, the hour of acceptance.
  time: ({ ts }) => `${ts.slice(0, 10)}T${ts.slice(11)}:00:00.000000Z`,
  window: Window.tumbling("1 hour"),
  // The server's clock may step back within an hour; earlier hours are closed.
  state: State,
  zero: { readings: 0, min: 0, max: 0, mean: 0 },
  add: ({ max, mean, min, readings }, { temperature }) => {
    const value = Number(temperature)
    const count = readings + 1
    if (readings === 0) return { readings: 1, min: value, max: value, mean: value }
    return {
      readings: count,
      min: Math.min(min, value),
      max: Math.max(max, value),
      // Divided first, as the sum of two doubles may be infinite.
      mean: mean - mean / count + value / count
    }
  },
  to: WeatherHourlyRow,
  emit: (city, { start }, state) => ({ city, hour: start, ...state })
})
