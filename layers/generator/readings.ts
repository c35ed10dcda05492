import { faker } from "@faker-js/faker/locale/en"
import { Effect, Option } from "effect"
import type { WeatherReading } from "../../services/Weather.ts"

/** An endless source of readings; the same seed gives the same readings. Faker has one state per process, so a second seed also resets the first. */
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
