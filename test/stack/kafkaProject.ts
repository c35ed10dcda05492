/** Streams, topics and a module of a test's own on the broker of FLOE_KAFKA_BROKERS; programs that run it. All of it is removed when the scope closes. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer, Schema } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as Producer from "../../layers/log/kafka/Producer.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import { sendOne } from "../../layers/log/kafka/sendOne.ts"
import { processorKey, versionKey } from "../../layers/log/kafka/streamRecords.ts"
import { EventLog } from "../../services/EventLog.ts"
import { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { streamsTopic } from "../../services/Topics.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { built, floe, type Program, run } from "../support/program.ts"
import { create, logOn, remove, streamsOf, temporaryTopic } from "./kafkaTopic.ts"

const brokers = process.env.FLOE_KAFKA_BROKERS
/** Of the programs that a test starts. */
export const environment = {
  FLOE_PROFILE: "distributed",
  ...(brokers === undefined ? {} : { FLOE_KAFKA_BROKERS: brokers })
}

/** A test machine that is busy is no reason to give up. */
const patient = { FLOE_KAFKA_TIMEOUT: "30 seconds" }

/** Compacted all the time, as a topic of a production is in the course of days. */
const createState = (topic: string, partitions: number) =>
  Effect.flatMap(Cluster, (cluster) =>
    cluster.admin<void>(topic, (admin, answer) =>
      admin.createTopic(
        {
          topic,
          num_partitions: partitions,
          replication_factor: 1,
          config: { "cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.001" }
        },
        5_000,
        answer
      )
    )
  ).pipe(Effect.provide(Cluster.layer))

/** The child that runs the processors. */
export const childOf = ({ pid }: Program) =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0])

/** As a machine without power: the program, and its child. */
export const kill = (program: Program) => {
  const child = childOf(program)
  process.kill(program.pid, "SIGKILL")
  process.kill(child, "SIGKILL")
}

type Partitioned = readonly [topic: string, partitions: number]

/** Until the scope closes. */
export const topics = Effect.fnUntraced(function* (
  plain: ReadonlyArray<Partitioned>,
  states: ReadonlyArray<Partitioned>
) {
  for (const [topic, count] of plain) {
    yield* Effect.acquireRelease(create(topic, count), () => Effect.ignore(remove(topic)))
  }
  for (const [topic, count] of states) {
    yield* Effect.acquireRelease(createState(topic, count), () => Effect.ignore(remove(topic)))
  }
})

/** Leaves no record of these keys in the topic of streams. */
export const forgotten = (keys: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const producer = yield* Producer.connect(streamsTopic, () => {})
    for (const key of keys) yield* sendOne(streamsTopic, producer, { key, value: null })
  }).pipe(Effect.scoped, Effect.ignore, Effect.provide(Cluster.layer), Effect.ignore)

/** As `floe streams apply` records them; until the scope closes. */
export const applied = (versions: ReadonlyArray<AppliedStream>) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const { record } = yield* Streams
      for (const one of versions) yield* record(one)
    }).pipe(Effect.provide(StreamsLayer.layer)),
    () => forgotten(versions.map(versionKey))
  )

const decodeProcessors = Schema.decodeUnknownSync(Schema.Struct({ processors: Schema.Array(ProcessorDefinition) }))

/** The processors of the module in a folder. */
export const compiled = Effect.fnUntraced(function* (cwd: string) {
  const { err, out } = yield* floe(["streams", "compile", "--output", "-"], {}, { cwd })
  if (err !== "") throw new Error(err)
  return decodeProcessors(JSON.parse(out)).processors
})

/** Records the processors of the module in a folder, as `floe streams apply` does; until the scope closes. */
export const recorded = Effect.fnUntraced(function* (cwd: string) {
  const processors = yield* compiled(cwd)
  yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const { recordProcessor } = yield* Streams
      for (const one of processors) yield* recordProcessor(one)
    }).pipe(Effect.provide(StreamsLayer.layer)),
    () => forgotten(processors.map(processorKey))
  )
})

interface Project {
  readonly module: string
  /** The input first. */
  readonly streams: readonly [StreamDefinition, ...ReadonlyArray<StreamDefinition>]
  readonly topics: ReadonlyArray<Partitioned>
  readonly states: ReadonlyArray<Partitioned>
  /** Events that are appended at once, to one partition if they have no key. */
  readonly batch?: number
}

export const kafkaProject = Effect.fnUntraced(function* ({
  batch = 1_000,
  module,
  states,
  streams,
  topics: plain
}: Project) {
  const cwd = yield* temporaryFolder
  yield* topics(plain, states)
  yield* applied(streams.map((one) => firstVersion(one, Date.now())))
  const weather = yield* temporaryTopic()
  const [input] = streams
  const first = firstVersion(input, 0)
  const write = (code: string) => writeFileSync(join(cwd, "floe.streams.ts"), code)
  write(module)
  return {
    cwd,
    /** Replaces the module. */
    write,
    start: run(process.execPath, [built("processor")], environment, { cwd }),
    /** Appends events in canonical form as the server does; `later` are versions of the input after the first. */
    append: (records: ReadonlyArray<string>, ...later: ReadonlyArray<AppliedStream>) =>
      Effect.gen(function* () {
        const { append } = yield* EventLog
        const schemaVersion = later.at(-1)?.version ?? first.version
        for (let at = 0; at < records.length; at += batch) {
          yield* append({ stream: input.name, schemaVersion, records: records.slice(at, at + batch) })
        }
      }).pipe(Effect.provide(Layer.fresh(logOn(weather, patient, streamsOf(first, ...later)))), Effect.orDie)
  }
})
