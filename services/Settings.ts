/**
 * Every setting of Floe: its environment variable, meaning, default and readers. `npm run docs` writes this list to
 * docs/configuration.md, and `floe config` prints it.
 * Owns: names, types, defaults. Does not own: what a setting does.
 */
import { Config, Duration, Option, Redacted, Schema } from "effect"
import { count, described, number, oneOf, optional, type Setting, setting, webAddress } from "./Setting.ts"

/** In the order of the documentation. */
export const settings: ReadonlyArray<Setting> = described

export const profile = setting("FLOE_PROFILE", oneOf(["embedded", "distributed"]), "embedded", {
  readBy: "all",
  meaning: "Which implementation the programs run on: `embedded` or `distributed`."
})
export const logFormat = setting("FLOE_LOG_FORMAT", oneOf(["text", "json"]), "text", {
  readBy: "programs",
  meaning: "Format of the programs' log: `text` for people, or `json` for one JSON object per line."
})
export const host = setting("FLOE_HOST", Config.NonEmptyString, "127.0.0.1", {
  readBy: "server",
  meaning:
    "Address to listen on. On a loopback address, every path rejects a `Host` other than localhost, 127.0.0.1, [::1] and this address. On any other address, every `Host` is accepted, because health checks use IP addresses and container names."
})
const portNumber = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
export const port = setting(
  "FLOE_PORT",
  (name) => Config.schema(number.pipe(Schema.decodeTo(portNumber)), name),
  9998,
  { readBy: "server", meaning: "Port to listen on; 0 picks a free one." }
)
export const defaultTarget = new URL("http://127.0.0.1:9998")
export const target = optional(
  "FLOE_TARGET",
  webAddress,
  {
    readBy: "generator, `floe`",
    meaning:
      "The logging server that the generator and `floe` send to. The embedded profile does not need it: they find the server that runs on `FLOE_DATA`, and never send to one with another log."
  },
  `the server of the data folder; distributed: ${defaultTarget.origin}`
)
export const targetOrDefault = Config.map(
  target,
  Option.getOrElse(() => defaultTarget)
)
export const interval = setting("FLOE_INTERVAL", Config.Duration, "5 seconds", {
  readBy: "generator",
  meaning: "Time between the end of one tick and the next."
})
export const batch = setting("FLOE_BATCH", count, 10, { readBy: "generator", meaning: "Records per tick." })
export const seed = optional("FLOE_SEED", Config.Int, {
  readBy: "generator",
  meaning: "An integer: the same seed gives the same cities and temperatures. Idempotency keys are new in every run."
})
export const heartbeat = optional("FLOE_HEARTBEAT", Config.NonEmptyString, {
  readBy: "generator, processor",
  meaning:
    "File that the generator updates after each tick in which every record was acknowledged, and the processor every 5 seconds while its processors run or it has none; a health check looks at its age."
})
export const generates = optional(
  "FLOE_GENERATOR",
  Config.Boolean,
  {
    readBy: "`npm start`, `floe start`",
    meaning: "Whether the generator of fake weather runs too."
  },
  "`true`, or `false` if streams are declared"
)
const commitTime = Schema.makeFilter(Duration.between({ minimum: Duration.millis(1), maximum: Duration.days(1) }), {
  message: "expected a time from 1 millisecond to 1 day"
})
export const commitInterval = setting(
  "FLOE_COMMIT_INTERVAL",
  (name) => Config.schema(Schema.DurationFromString.check(commitTime), name),
  "1 second",
  {
    readBy: "sink, `floe connector`",
    meaning:
      "Time between two commits to the table, from 1 millisecond to 1 day. Without new events nothing is committed. compose.yaml sets `10 seconds`."
  }
)
export const topic = setting("FLOE_TOPIC", Config.NonEmptyString, "weather", {
  readBy: "server, `floe`",
  meaning: "Name of the topic, in Kafka and in `Floe-Position`."
})
export const weatherHourly = setting("FLOE_WEATHER_HOURLY", Config.Boolean, true, {
  readBy: "server, processor, `floe setup`",
  meaning:
    "Whether the built-in processor `weather_hourly` runs, which keeps readings, least, greatest and mean temperature of each city and hour. With `false` its table stays as it is."
})
export const streams = optional(
  "FLOE_STREAMS",
  Config.NonEmptyString,
  {
    readBy: "server, `floe streams`",
    meaning:
      "The file that declares your streams: a TypeScript or JavaScript module, or a `floe.streams.json` that `floe streams compile` wrote."
  },
  "`floe.streams.ts`, else `floe.streams.json`, in the working folder"
)

export const dataFolder = setting("FLOE_DATA", Config.NonEmptyString, "./data", {
  profile: "embedded",
  readBy: "server, sink, generator, `floe`",
  meaning:
    "The data folder, which has the log, the table and the locks. A relative path is resolved from the folder that the program is started in."
})
export const snapshotKeep = setting("FLOE_SNAPSHOT_KEEP", count, 100, {
  readBy: "sink, `floe`",
  meaning:
    "The table keeps this many of its newest snapshots, and those older ones that `FLOE_TIME_TRAVEL` selects. In the distributed profile, `floe maintain` expires all others, except those of the last hour and those that the sink needs to find its progress."
})

const notNegative = Schema.makeFilter(Duration.between({ minimum: Duration.zero, maximum: Duration.days(3650) }), {
  message: "expected a time from 0 seconds to 10 years"
})
const stay = (name: string) => Config.schema(Schema.DurationFromString.check(notNegative), name)
export const timeTravel = setting("FLOE_TIME_TRAVEL", stay, "7 days", {
  profile: "embedded",
  readBy: "sink, `floe`",
  meaning:
    "How far back time travel reaches. Of the snapshots older than the newest `FLOE_SNAPSHOT_KEEP`, one per minute is kept for an hour, and one per hour for this long. `0 seconds` keeps only the newest."
})
export const fileGrace = setting("FLOE_FILE_GRACE", stay, "1 hour", {
  profile: "embedded",
  readBy: "sink, `floe`",
  meaning:
    "Minimum time that a file stays on disk after it left the table, for readers that Floe does not know about, for example a scan that Spark or pyiceberg has planned."
})

const ofKafka = { profile: "distributed", readBy: "server, `floe`" } as const

export const kafkaBrokers = setting("FLOE_KAFKA_BROKERS", Config.NonEmptyString, "localhost:9092", {
  ...ofKafka,
  meaning: "Bootstrap brokers, separated by commas."
})
const acknowledgement = Schema.makeFilter(
  Duration.between({ minimum: Duration.millis(100), maximum: Duration.minutes(1) }),
  { message: "expected a time from 100 milliseconds to 1 minute" }
)
export const kafkaTimeout = setting(
  "FLOE_KAFKA_TIMEOUT",
  (name) => Config.schema(Schema.DurationFromString.check(acknowledgement), name),
  "4 seconds",
  {
    profile: "distributed",
    readBy: "server",
    meaning:
      "How long the broker has to acknowledge an event; after that, the server returns 504. From 100 milliseconds to 1 minute."
  }
)
/** Security of the connections to Kafka. */
export const kafkaSecurity = Config.all({
  protocol: setting("FLOE_KAFKA_SECURITY", oneOf(["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]), "plaintext", {
    ...ofKafka,
    meaning: "Security protocol: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`."
  }),
  mechanism: setting("FLOE_KAFKA_SASL_MECHANISM", oneOf(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]), "SCRAM-SHA-512", {
    ...ofKafka,
    meaning: "SASL mechanism: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."
  }),
  user: optional("FLOE_KAFKA_USER", Config.NonEmptyString, { ...ofKafka, meaning: "User name for SASL." }),
  password: optional("FLOE_KAFKA_PASSWORD", Config.Redacted, {
    ...ofKafka,
    meaning: "Password for SASL.",
    secret: true
  }),
  authority: optional(
    "FLOE_KAFKA_CA_FILE",
    Config.NonEmptyString,
    { ...ofKafka, meaning: "PEM file of the certificate authority that signed the brokers' certificates, for TLS." },
    "the system's authorities"
  ),
  certificate: optional("FLOE_KAFKA_CERTIFICATE_FILE", Config.NonEmptyString, {
    ...ofKafka,
    meaning: "PEM file of the client certificate, if the brokers require one."
  }),
  key: optional("FLOE_KAFKA_KEY_FILE", Config.NonEmptyString, {
    ...ofKafka,
    meaning: "PEM file of the client certificate's private key."
  })
})
export const partitions = setting("FLOE_PARTITIONS", count, 1, {
  profile: "distributed",
  readBy: "`floe topics create`",
  meaning: "Number of partitions of the topic."
})
export const replication = setting("FLOE_REPLICATION", count, 1, {
  profile: "distributed",
  readBy: "`floe topics create`",
  meaning: "Number of replicas of each topic, at most the number of brokers."
})
export const keysMax = setting("FLOE_KEYS_MAX", count, 300_000, {
  profile: "distributed",
  readBy: "server",
  meaning:
    "The server knows an idempotency key for 24 hours or for this many later events of the topic, whichever is shorter. Each key takes about 500 bytes of memory. With several partitions, the server holds twice as many for a while after its start. The streams of your own have as many keys together, beside those of weather: past that, the oldest keys of the stream with the most are forgotten first."
})
export const keysShared = setting("FLOE_KEYS_SHARED", Config.Boolean, false, {
  profile: "distributed",
  readBy: "server",
  meaning:
    "Set to `true` if several servers write to one topic: each server then follows the topic and knows the keys of the others."
})

const ofFloe = { profile: "distributed", readBy: "`floe`" } as const

export const connectUrl = setting("FLOE_CONNECT_URL", webAddress, new URL("http://localhost:8083"), {
  ...ofFloe,
  meaning: "Address of Kafka Connect. Floe sends it no password."
})
const isThrift = Schema.makeFilter(({ protocol, hostname }: URL) => protocol === "thrift:" && hostname !== "", {
  message: "expected an address, for example thrift://localhost:9083"
})
export const metastoreUri = setting(
  "FLOE_METASTORE_URI",
  (name) => Config.schema(Schema.URLFromString.check(isThrift), name),
  new URL("thrift://localhost:9083"),
  { ...ofFloe, meaning: "Address of the Hive Metastore." }
)
const isPlace = Schema.makeFilter(
  (place: string) => /^none$|^(\[[\da-f:.]+\]|[^\s:/[\]]+):\d+$/i.test(place) && URL.canParse(`tcp://${place}`),
  { message: "expected a host and port (for example localhost:2181) or none" }
)
const place = (name: string) => Config.schema(Schema.String.check(isPlace), name)
export const zookeeper = setting("FLOE_ZOOKEEPER", place, "localhost:2181", {
  ...ofFloe,
  meaning: "Address of ZooKeeper, used only to check that it is up; `none` if Kafka runs without it."
})
export const postgres = setting("FLOE_POSTGRES", place, "localhost:5432", {
  ...ofFloe,
  meaning:
    "Address of the metastore's PostgreSQL, used only to check that it is up; `none` if the metastore has another database."
})
export const postgresUser = setting("FLOE_POSTGRES_USER", Config.NonEmptyString, "hive", {
  ...ofFloe,
  meaning: "The metastore's PostgreSQL user (`POSTGRES_USER` in compose.yaml), used only to check that it can log in."
})
export const postgresPassword = setting("FLOE_POSTGRES_PASSWORD", Config.Redacted, Redacted.make("hive"), {
  ...ofFloe,
  meaning: "Password of that user (`POSTGRES_PASSWORD` in compose.yaml).",
  secret: true
})
export const trinoUrl = setting("FLOE_TRINO_URL", webAddress, new URL("http://localhost:8080"), {
  ...ofFloe,
  meaning: "Address of Trino."
})
export const trinoUser = setting("FLOE_TRINO_USER", Config.NonEmptyString, "floe", {
  ...ofFloe,
  meaning: "Trino user that runs the queries, without a password."
})
export const s3 = Config.all({
  endpoint: setting("FLOE_S3_ENDPOINT", webAddress, new URL("http://localhost:9000"), {
    ...ofFloe,
    meaning: "Address of MinIO or another S3 store."
  }),
  region: setting("FLOE_S3_REGION", Config.NonEmptyString, "us-east-1", { ...ofFloe, meaning: "Region of the store." }),
  bucket: setting("FLOE_S3_BUCKET", Config.NonEmptyString, "warehouse", {
    ...ofFloe,
    meaning: "Bucket that has the tables."
  }),
  accessKey: setting("FLOE_S3_ACCESS_KEY", Config.NonEmptyString, "admin", {
    ...ofFloe,
    meaning: "Access key of the store."
  }),
  secretKey: setting("FLOE_S3_SECRET_KEY", Config.Redacted, Redacted.make("password"), {
    ...ofFloe,
    meaning: "Secret key of the store.",
    secret: true
  })
})
