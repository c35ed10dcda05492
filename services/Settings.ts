/**
 * Every setting of Floe: its name in the environment, its meaning, its default, and who reads it. docs/configuration.md
 * is made from this list, and `floe config` prints it.
 * Owns: names, types, defaults. Does not own: what a setting does.
 */
import { Config, Duration, Option, Redacted, Schema } from "effect"

/** In Markdown, as docs/configuration.md has it. */
interface About {
  readonly meaning: string
  readonly readBy: string
  /** Which profile it belongs to; both if none is given. */
  readonly profile?: "embedded" | "distributed"
  readonly secret?: boolean
}

export interface Setting extends About {
  readonly name: string
  /** As it would be written in the environment; undefined if there is none. */
  readonly byDefault: string | undefined
  /** What holds where there is no default. */
  readonly without: string
  readonly config: Config.Config<unknown>
}

const described: Array<Setting> = []
/** In the order of the documentation. */
export const settings: ReadonlyArray<Setting> = described

const written = (value: unknown) => {
  if (value instanceof URL) return value.href.replace(/\/$/, "")
  return Redacted.isRedacted(value) ? String(Redacted.value(value)) : String(value)
}

const setting = <A, const D>(name: string, of: (name: string) => Config.Config<A>, byDefault: D, about: About) => {
  const config = of(name).pipe(Config.withDefault(byDefault))
  described.push({ ...about, name, byDefault: written(byDefault), without: "none", config })
  return config
}

/** One that need not be set. */
const optional = <A>(name: string, of: (name: string) => Config.Config<A>, about: About, without = "none") => {
  const config = Config.option(of(name))
  described.push({ ...about, name, byDefault: undefined, without, config })
  return config
}

const oneOf =
  <const L extends ReadonlyArray<string>>(literals: L) =>
  (name: string) =>
    Config.Literals(literals, name)
const number = Schema.FiniteFromString
const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
const count = (name: string) => Config.schema(number.pipe(Schema.decodeTo(positive)), name)
/** localhost:9998 is a URL too, with the protocol `localhost:`. */
const isWebAddress = Schema.makeFilter(({ protocol }: URL) => protocol === "http:" || protocol === "https:", {
  message: "expected an address that begins with http:// or https://"
})
const webAddress = (name: string) => Config.schema(Schema.URLFromString.check(isWebAddress), name)

export const profile = setting("FLOE_PROFILE", oneOf(["embedded", "distributed"]), "embedded", {
  readBy: "all",
  meaning: "Which layers stand behind the programs: `embedded` or `distributed`."
})
export const logFormat = setting("FLOE_LOG_FORMAT", oneOf(["text", "json"]), "text", {
  readBy: "programs",
  meaning: "`text` for people, `json` for one JSON object per line."
})
export const host = setting("FLOE_HOST", Config.NonEmptyString, "127.0.0.1", {
  readBy: "server",
  meaning:
    "Address to listen on. While it is a loopback address, every path refuses a `Host` other than localhost, 127.0.0.1, [::1] and this address; otherwise any name is taken, as health checks by IP or container name need it."
})
const portNumber = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
export const port = setting(
  "FLOE_PORT",
  (name) => Config.schema(number.pipe(Schema.decodeTo(portNumber)), name),
  9998,
  { readBy: "server", meaning: "Port to listen on; 0 for one that is free." }
)
export const defaultTarget = new URL("http://127.0.0.1:9998")
export const target = optional(
  "FLOE_TARGET",
  webAddress,
  {
    readBy: "generator, `floe`",
    meaning:
      "The logging server that the generator and `floe` talk to. In the embedded profile it need not be set: they find the server that runs on `FLOE_DATA`, and never send to one with another log."
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
  meaning:
    "A whole number: the same seed gives the same cities and temperatures. Idempotency keys are new in every run."
})
export const heartbeat = optional("FLOE_HEARTBEAT", Config.NonEmptyString, {
  readBy: "generator",
  meaning:
    "A file that gets the time of each tick whose records were all acknowledged; a health check looks at its age."
})
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
      "Time from one commit of the table to the next, 1 millisecond to 1 day; nothing is committed when nothing has come. compose.yaml has `10 seconds`."
  }
)
export const topic = setting("FLOE_TOPIC", Config.NonEmptyString, "weather", {
  readBy: "server, `floe`",
  meaning: "Name of the topic: in Kafka, and in `Floe-Position`."
})

export const dataFolder = setting("FLOE_DATA", Config.NonEmptyString, "./data", {
  profile: "embedded",
  readBy: "server, sink, generator, `floe`",
  meaning: "The data folder: log, table and locks. Relative to the folder the program is started in."
})
export const snapshotKeep = setting("FLOE_SNAPSHOT_KEEP", count, 100, {
  readBy: "sink, `floe`",
  meaning:
    "The newest snapshots of the table, which are all kept; of older ones `FLOE_TIME_TRAVEL` keeps some. In the distributed profile `floe maintain` expires the others, except those of the last hour and those that the sink needs to find how far it was."
})

const notNegative = Schema.makeFilter(Duration.between({ minimum: Duration.zero, maximum: Duration.days(3650) }), {
  message: "expected a time from 0 seconds to 10 years"
})
const stay = (name: string) => Config.schema(Schema.DurationFromString.check(notNegative), name)
export const timeTravel = setting("FLOE_TIME_TRAVEL", stay, "7 days", {
  profile: "embedded",
  readBy: "sink, `floe`",
  meaning:
    "How far back time travel reaches: beyond the newest snapshots one of each minute is kept for an hour, then one of each hour for this long. With `0 seconds` only the newest are kept."
})
export const fileGrace = setting("FLOE_FILE_GRACE", stay, "1 hour", {
  profile: "embedded",
  readBy: "sink, `floe`",
  meaning:
    "How long a file that has left the table stays on disk at least, for readers that Floe does not know, such as a scan that Spark or pyiceberg has planned."
})

const ofKafka = { profile: "distributed", readBy: "server, `floe`" } as const

export const kafkaBrokers = setting("FLOE_KAFKA_BROKERS", Config.NonEmptyString, "localhost:9092", {
  ...ofKafka,
  meaning: "Brokers to begin with, separated by commas."
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
      "From handing an event to the client until the broker has acknowledged it; after that the answer is 504. From 100 milliseconds to 1 minute."
  }
)
/** Security of the connections to Kafka. */
export const kafkaSecurity = Config.all({
  protocol: setting("FLOE_KAFKA_SECURITY", oneOf(["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]), "plaintext", {
    ...ofKafka,
    meaning: "`plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`."
  }),
  mechanism: setting("FLOE_KAFKA_SASL_MECHANISM", oneOf(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]), "SCRAM-SHA-512", {
    ...ofKafka,
    meaning: "`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`."
  }),
  user: optional("FLOE_KAFKA_USER", Config.NonEmptyString, { ...ofKafka, meaning: "With SASL." }),
  password: optional("FLOE_KAFKA_PASSWORD", Config.Redacted, { ...ofKafka, meaning: "With SASL.", secret: true }),
  authority: optional(
    "FLOE_KAFKA_CA_FILE",
    Config.NonEmptyString,
    { ...ofKafka, meaning: "With TLS: PEM file of the authority that signed the brokers' certificates." },
    "the system's authorities"
  ),
  certificate: optional("FLOE_KAFKA_CERTIFICATE_FILE", Config.NonEmptyString, {
    ...ofKafka,
    meaning: "With TLS: PEM file of this client's certificate, where the brokers ask for one."
  }),
  key: optional("FLOE_KAFKA_KEY_FILE", Config.NonEmptyString, {
    ...ofKafka,
    meaning: "With TLS: PEM file of its key."
  })
})
export const partitions = setting("FLOE_PARTITIONS", count, 1, {
  profile: "distributed",
  readBy: "`floe topics create`",
  meaning: "Partitions of the topic."
})
export const replication = setting("FLOE_REPLICATION", count, 1, {
  profile: "distributed",
  readBy: "`floe topics create`",
  meaning: "Replicas of each topic, at most the number of brokers."
})
export const keysMax = setting("FLOE_KEYS_MAX", count, 300_000, {
  profile: "distributed",
  readBy: "server",
  meaning:
    "Idempotency keys are known for 24 hours, or for so many later events of the topic if that is shorter. Each takes some 500 bytes of memory; with several partitions, for a while after a start, twice as many are held."
})
export const keysShared = setting("FLOE_KEYS_SHARED", Config.Boolean, false, {
  profile: "distributed",
  readBy: "server",
  meaning: "`true` where several servers write to one topic: each follows it, and knows the keys of the others."
})

const ofFloe = { profile: "distributed", readBy: "`floe`" } as const

export const connectUrl = setting("FLOE_CONNECT_URL", webAddress, new URL("http://localhost:8083"), {
  ...ofFloe,
  meaning: "Kafka Connect. Floe has no password for it."
})
const isThrift = Schema.makeFilter(({ protocol, hostname }: URL) => protocol === "thrift:" && hostname !== "", {
  message: "expected an address such as thrift://localhost:9083"
})
export const metastoreUri = setting(
  "FLOE_METASTORE_URI",
  (name) => Config.schema(Schema.URLFromString.check(isThrift), name),
  new URL("thrift://localhost:9083"),
  { ...ofFloe, meaning: "The Hive Metastore." }
)
const isPlace = Schema.makeFilter(
  (place: string) => /^none$|^(\[[\da-f:.]+\]|[^\s:/[\]]+):\d+$/i.test(place) && URL.canParse(`tcp://${place}`),
  { message: "expected a host and port such as localhost:2181, or none" }
)
const place = (name: string) => Config.schema(Schema.String.check(isPlace), name)
export const zookeeper = setting("FLOE_ZOOKEEPER", place, "localhost:2181", {
  ...ofFloe,
  meaning: "ZooKeeper, only to see whether it is up; `none` where Kafka does without."
})
export const postgres = setting("FLOE_POSTGRES", place, "localhost:5432", {
  ...ofFloe,
  meaning: "The metastore's PostgreSQL, only to see whether it is up; `none` where it has another database."
})
export const postgresUser = setting("FLOE_POSTGRES_USER", Config.NonEmptyString, "hive", {
  ...ofFloe,
  meaning: "The metastore's user there, which is `POSTGRES_USER` of compose.yaml, only to see whether it is let in."
})
export const postgresPassword = setting("FLOE_POSTGRES_PASSWORD", Config.Redacted, Redacted.make("hive"), {
  ...ofFloe,
  meaning: "The user's password, which is `POSTGRES_PASSWORD` of compose.yaml.",
  secret: true
})
export const trinoUrl = setting("FLOE_TRINO_URL", webAddress, new URL("http://localhost:8080"), {
  ...ofFloe,
  meaning: "Trino."
})
export const trinoUser = setting("FLOE_TRINO_USER", Config.NonEmptyString, "floe", {
  ...ofFloe,
  meaning: "The user that queries run as, without a password."
})
export const s3 = Config.all({
  endpoint: setting("FLOE_S3_ENDPOINT", webAddress, new URL("http://localhost:9000"), {
    ...ofFloe,
    meaning: "MinIO, or another S3 store."
  }),
  region: setting("FLOE_S3_REGION", Config.NonEmptyString, "us-east-1", { ...ofFloe, meaning: "Its region." }),
  bucket: setting("FLOE_S3_BUCKET", Config.NonEmptyString, "warehouse", {
    ...ofFloe,
    meaning: "The bucket of the tables."
  }),
  accessKey: setting("FLOE_S3_ACCESS_KEY", Config.NonEmptyString, "admin", { ...ofFloe, meaning: "The user there." }),
  secretKey: setting("FLOE_S3_SECRET_KEY", Config.Redacted, Redacted.make("password"), {
    ...ofFloe,
    meaning: "The user's password.",
    secret: true
  })
})
