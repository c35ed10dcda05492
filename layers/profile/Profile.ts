/** The one place that chooses between the profiles. Each loads only what it runs on. */
import { Effect, Layer, Schema } from "effect"
import { profile } from "../../services/Settings.ts"

/** The packages of the embedded profile are not there: the image of the distributed one has none of them. */
class EmbeddedMissing extends Schema.TaggedError<EmbeddedMissing>()("EmbeddedMissing", { cause: Schema.Defect() }) {
  override get message() {
    return "The embedded profile cannot run here, as its packages are not installed: set FLOE_PROFILE to distributed, as in the image, or run npm ci."
  }
}

class OnlyEmbedded extends Schema.TaggedError<OnlyEmbedded>()("OnlyEmbedded", {}) {
  override get message() {
    return "This runs on the embedded profile alone, and FLOE_PROFILE is distributed: there Kafka Connect writes the table, and docker compose up starts everything."
  }
}

/** What one profile has and the other does not need. */
class OnlyDistributed extends Schema.TaggedError<OnlyDistributed>()("OnlyDistributed", { instead: Schema.String }) {
  override get message() {
    return `This needs the distributed profile (FLOE_PROFILE=distributed); in the embedded one ${this.instead}.`
  }
}

/** A backup of the distributed profile is one of each of its parts. */
class NoBackup extends Schema.TaggedError<NoBackup>()("NoBackup", {}) {
  override get message() {
    return "floe backup and floe restore are for the data folder of the embedded profile, and FLOE_PROFILE is distributed: docs/operations.md describes how to back up Kafka, PostgreSQL and MinIO."
  }
}

const isNotInstalled = (cause: unknown) =>
  cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"

const embedded = Effect.tryPromise({ try: () => import("./embedded.ts"), catch: (cause) => cause }).pipe(
  Effect.catch((cause) => (isNotInstalled(cause) ? Effect.fail(new EmbeddedMissing({ cause })) : Effect.die(cause)))
)
type Embedded = Effect.Success<typeof embedded>

const distributed = Effect.promise(() => import("./distributed.ts"))
type Distributed = Effect.Success<typeof distributed>

const chosen = <A, E, R, E2>(
  ofEmbedded: (layers: Embedded) => Layer.Layer<A, E, R>,
  ofDistributed: (layers: Distributed) => Layer.Layer<A, E2>
) =>
  Layer.unwrap(
    Effect.flatMap(
      profile,
      (profile): Effect.Effect<Layer.Layer<A, E | E2, R>, EmbeddedMissing> =>
        profile === "embedded" ? Effect.map(embedded, ofEmbedded) : Effect.map(distributed, ofDistributed)
    )
  )

/** The log to append to and to read; of the embedded one, at most one process has it. */
export const log = chosen(
  (layers) => layers.log,
  (layers) => layers.log
)

/** The log to read, beside the processes that append. */
export const logReader = chosen(
  (layers) => layers.logReader,
  (layers) => layers.logReader
)

/** The logging server to send to; nothing is made. */
export const logTarget = chosen(
  (layers) => layers.logTarget,
  (layers) => layers.logTarget
)

/** Tells the clients on this machine where the server listens, for as long as it does. */
export const serverAddress = chosen(
  (layers) => layers.serverAddress,
  (layers) => layers.serverAddress
)

/** Says when the clock was set, for as long as a program runs; the embedded profile also keeps the last time for doctor. */
export const clockSteps = chosen(
  (layers) => layers.clockSteps,
  (layers) => layers.clockSteps
)

/** For a program of the embedded profile: in the other one it fails before anything else is made. */
export const onlyEmbedded = Layer.effectDiscard(
  Effect.flatMap(profile, (profile) => (profile === "embedded" ? Effect.void : Effect.fail(new OnlyEmbedded())))
)

export const sink = Layer.unwrap(Effect.map(embedded, (layers) => layers.sink)).pipe(Layer.provide(onlyEmbedded))

/** SQL over the table; where there is none, nothing is made. */
export const query = chosen(
  (layers) => layers.query,
  (layers) => layers.query
)

/** A table as it is described; nothing is made. */
export const tableReader = (table = "weather") =>
  chosen(
    (layers) => layers.tableReader(table),
    (layers) => layers.tableReader(table)
  )

/** The log and the table to compare; nothing is made. */
export const audit = chosen(
  (layers) => layers.audit,
  (layers) => layers.audit
)

/** The log to read, where there is one; nothing is made. */
export const logToRead = chosen(
  (layers) => layers.logToRead,
  (layers) => layers.logReader
)

export const maintenance = chosen(
  (layers) => layers.maintenance,
  (layers) => layers.maintenance
)

/** Making the table anew from the log; nothing is made before it is asked for. */
export const rebuild = chosen(
  (layers) => layers.rebuild,
  (layers) => layers.rebuild
)

/** The parts of the pipeline, its log and its table to look at; nothing is made. */
export const status = chosen(
  (layers) => layers.status,
  (layers) => layers.status
)

/** What can be wrong with an installation; nothing is made. */
export const checks = chosen(
  (layers) => layers.checks,
  (layers) => layers.checks
)

/** The files of the table, with their sizes. */
export const storage = chosen(
  (layers) => layers.storage,
  (layers) => layers.storage
)

/** Copies of the data folder. */
export const backup = Layer.unwrap(
  Effect.flatMap(
    profile,
    (profile): Effect.Effect<Embedded["backup"], EmbeddedMissing | NoBackup> =>
      profile === "embedded" ? Effect.map(embedded, (layers) => layers.backup) : Effect.fail(new NoBackup())
  )
)

/** Fails in the embedded profile with what there is instead, as the end of a sentence. */
const onlyDistributed = (instead: string) =>
  Effect.flatMap(profile, (profile) =>
    profile === "distributed" ? Effect.void : Effect.fail(new OnlyDistributed({ instead }))
  )

const distributedOnly = <A, E, R>(instead: string, of: (layers: Distributed) => Layer.Layer<A, E, R>) =>
  Layer.unwrap(Effect.andThen(onlyDistributed(instead), Effect.map(distributed, of)))

/** What brings the log into the table: Kafka Connect's connector, or the embedded sink as if it were one. */
export const connector = chosen(
  (layers) => layers.connector,
  (layers) => layers.connector
)

/** The table to make, and what tells which topic it is made from. */
export const tableCreation = distributedOnly(
  "the sink makes the table with its first commit (npm start)",
  (layers) => layers.tableCreation
)

/** Kafka Connect, for what the embedded sink has nothing of. */
export const kafkaConnect = distributedOnly(
  "the sink is a program of its own, which floe connector can show, pause and resume",
  (layers) => layers.connector
)

/** The same, with the groups that its connectors read in. */
export const registration = distributedOnly(
  "the sink is a program of its own, which floe connector can show, pause and resume",
  (layers) => Layer.merge(layers.connector, layers.consumerGroups)
)

export const topics = distributedOnly("the log is a file and needs no topic", (layers) => layers.topics)

export const consumerGroups = distributedOnly("the log is a file and has no groups", (layers) => layers.consumerGroups)

/** What the connector refused. */
export const deadLetters = chosen(
  (layers) => layers.deadLetters,
  (layers) => layers.deadLetters
)
