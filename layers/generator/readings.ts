import { faker } from "@faker-js/faker/locale/en"
import { Effect, Option } from "effect"
import type { WeatherReading } from "../../services/Weather.ts"

/** Readings one after the other; the same seed gives the same ones. The source is one per process, so a later seed moves an earlier one too. */
export const from = (seed: Option.Option<number>) =>
  Effect.sync(() => {
    faker.seed(Option.getOrUndefined(seed))
    return Effect.sync(
      (): WeatherReading => ({
        city: faker.location.city(),
        temperature: faker.number.float({ min: 0, max: 120, fractionDigits: 2 }).toFixed(2)
      })
    )
  })
