/**
 * Every setting of Floe: its name in the environment, its meaning and its default. docs/configuration.md lists them.
 * Owns: names, types, defaults. Does not own: what a setting does.
 */
import { Config, Duration, Schema } from "effect"

const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
const count = (name: string, byDefault: number) =>
  Config.schema(Schema.FiniteFromString.pipe(Schema.decodeTo(positive)), name).pipe(Config.withDefault(byDefault))

export const profile = Config.Literals(["embedded", "distributed"], "FLOE_PROFILE").pipe(Config.withDefault("embedded"))
export const logFormat = Config.Literals(["text", "json"], "FLOE_LOG_FORMAT").pipe(Config.withDefault("text"))
export const host = Config.NonEmptyString("FLOE_HOST").pipe(Config.withDefault("127.0.0.1"))
/** 0 for one that is free. */
export const port = Config.schema(
  Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))),
  "FLOE_PORT"
).pipe(Config.withDefault(9998))
export const dataFolder = Config.NonEmptyString("FLOE_DATA").pipe(Config.withDefault("./data"))
export const target = Config.URL("FLOE_TARGET").pipe(Config.withDefault(new URL("http://127.0.0.1:9998")))
export const interval = Config.Duration("FLOE_INTERVAL").pipe(Config.withDefault("5 seconds"))
export const batch = count("FLOE_BATCH", 10)
export const seed = Config.option(Config.Int("FLOE_SEED"))
const commitTime = Schema.makeFilter(Duration.between({ minimum: Duration.millis(1), maximum: Duration.days(1) }), {
  message: "expected a time from 1 millisecond to 1 day"
})
export const commitInterval = Config.schema(Schema.DurationFromString.check(commitTime), "FLOE_COMMIT_INTERVAL").pipe(
  Config.withDefault("1 second")
)
export const snapshotKeep = count("FLOE_SNAPSHOT_KEEP", 100)
export const topic = Config.NonEmptyString("FLOE_TOPIC").pipe(Config.withDefault("weather"))
