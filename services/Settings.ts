/**
 * Every setting of Floe: its name in the environment, its meaning and its default. docs/configuration.md lists them.
 * Owns: names, types, defaults. Does not own: what a setting does.
 */
import { Config, Duration, Redacted, Schema } from "effect"

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

/** localhost:9998 is a URL too, with the protocol `localhost:`. */
const isWebAddress = Schema.makeFilter(({ protocol }: URL) => protocol === "http:" || protocol === "https:", {
  message: "expected an address that begins with http:// or https://"
})
const url = (name: string, byDefault: string) =>
  Config.schema(Schema.URLFromString.check(isWebAddress), name).pipe(Config.withDefault(new URL(byDefault)))

/** The logging server that the generator sends to. */
export const target = url("FLOE_TARGET", "http://127.0.0.1:9998")
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
/** A file that the generator touches after each tick of which every record was acknowledged. */
export const heartbeat = Config.option(Config.NonEmptyString("FLOE_HEARTBEAT"))
export const topic = Config.NonEmptyString("FLOE_TOPIC").pipe(Config.withDefault("weather"))

export const kafkaBrokers = Config.NonEmptyString("FLOE_KAFKA_BROKERS").pipe(Config.withDefault("localhost:9092"))
const acknowledgement = Schema.makeFilter(
  Duration.between({ minimum: Duration.millis(100), maximum: Duration.minutes(1) }),
  { message: "expected a time from 100 milliseconds to 1 minute" }
)
/** For an append: from handing it to the client until the broker has acknowledged it. */
export const kafkaTimeout = Config.schema(Schema.DurationFromString.check(acknowledgement), "FLOE_KAFKA_TIMEOUT").pipe(
  Config.withDefault("4 seconds")
)
/** Security of the connections to Kafka. */
export const kafkaSecurity = Config.all({
  protocol: Config.Literals(["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], "FLOE_KAFKA_SECURITY").pipe(
    Config.withDefault("plaintext")
  ),
  mechanism: Config.Literals(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "FLOE_KAFKA_SASL_MECHANISM").pipe(
    Config.withDefault("SCRAM-SHA-512")
  ),
  user: Config.option(Config.NonEmptyString("FLOE_KAFKA_USER")),
  password: Config.option(Config.Redacted("FLOE_KAFKA_PASSWORD")),
  /** PEM files: of the authority, of this client, and its key. */
  authority: Config.option(Config.NonEmptyString("FLOE_KAFKA_CA_FILE")),
  certificate: Config.option(Config.NonEmptyString("FLOE_KAFKA_CERTIFICATE_FILE")),
  key: Config.option(Config.NonEmptyString("FLOE_KAFKA_KEY_FILE"))
})
export const partitions = count("FLOE_PARTITIONS", 1)
export const replication = count("FLOE_REPLICATION", 1)
/** Idempotency keys are known for 24 hours, or for so many later events if that is shorter. */
export const keysMax = count("FLOE_KEYS_MAX", 300_000)
/** True where several servers append to one topic: each then learns the keys of the others. */
export const keysShared = Config.Boolean("FLOE_KEYS_SHARED").pipe(Config.withDefault(false))

export const connectUrl = url("FLOE_CONNECT_URL", "http://localhost:8083")
export const trinoUrl = url("FLOE_TRINO_URL", "http://localhost:8080")
export const trinoUser = Config.NonEmptyString("FLOE_TRINO_USER").pipe(Config.withDefault("floe"))
export const s3 = Config.all({
  endpoint: url("FLOE_S3_ENDPOINT", "http://localhost:9000"),
  region: Config.NonEmptyString("FLOE_S3_REGION").pipe(Config.withDefault("us-east-1")),
  bucket: Config.NonEmptyString("FLOE_S3_BUCKET").pipe(Config.withDefault("warehouse")),
  accessKey: Config.NonEmptyString("FLOE_S3_ACCESS_KEY").pipe(Config.withDefault("admin")),
  secretKey: Config.Redacted("FLOE_S3_SECRET_KEY").pipe(Config.withDefault(Redacted.make("password")))
})
