/** Kafka, Kafka Connect and Trino as far as an apply asks them, for one stream `readings`. */
import { Effect, Layer, Option, Stream } from "effect"
import * as StreamsLayer from "../../../layers/log/memory/Streams.ts"
import * as TableEvolutionLayer from "../../../layers/sink/connect/TableEvolution.ts"
import { Connector, type ConnectorConfig, ConnectRejected } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { Query, QueryFailed, RelationMissing } from "../../../services/Query.ts"
import { Topics } from "../../../services/Topics.ts"

export type Columns = ReadonlyArray<readonly [name: string, type: string]>

const shownTable = `CREATE TABLE iceberg.default.readings (
   celsius double
)
WITH (
   format = 'PARQUET',
   format_version = 2,
   location = 's3a://warehouse/default/readings'
)`

interface Options {
  readonly columns?: Columns
  readonly hasTable?: boolean
  /** Of the connector. */
  readonly state?: string
  readonly config?: ConnectorConfig
  /** Members that each group of the connector has, asked again and again. */
  readonly readers?: () => number
  /** Those that exist; all by default. */
  readonly topics?: ReadonlyArray<string>
  /** Kafka Connect rejects to stop the connector. */
  readonly stopFails?: boolean
}

/** `calls` has what was changed, in order: calls of Kafka Connect, and statements. */
export const playedStack = ({
  columns = [],
  state = "RUNNING",
  config = {},
  readers = () => 0,
  topics,
  hasTable = true,
  stopFails = false
}: Options) => {
  const calls: Array<string> = []
  const now = { state, config, columns, stopFails }
  const becomes = (call: string, state: string) =>
    Effect.sync(() => {
      calls.push(call)
      now.state = state
    })
  const connector = Layer.mock(Connector, {
    names: Effect.succeed(["iceberg-sink", "iceberg-sink-readings"]),
    validate: () => Effect.succeed([]),
    config: () => Effect.sync(() => now.config),
    status: (name) =>
      Effect.sync(() => ({ name, connector: { state: now.state, worker: null, trace: null }, tasks: [] })),
    register: (_, config) =>
      Effect.sync(() => {
        calls.push("register")
        now.config = config
        return "updated" as const
      }),
    stop: () =>
      Effect.suspend(() =>
        now.stopFails
          ? Effect.fail(new ConnectRejected({ operation: "stop", status: 500, reason: "it failed" }))
          : becomes("stop", "STOPPED")
      ),
    pause: () => becomes("pause", "PAUSED"),
    resume: () => becomes("resume", "RUNNING")
  })
  const trino = Layer.mock(Query, {
    execute: (sql) =>
      Effect.gen(function* () {
        const [, from, to = ""] = /RENAME COLUMN "(\w+)" TO "(\w+)"/.exec(sql) ?? []
        if (from !== undefined) {
          calls.push(`rename ${from} to ${to}`)
          now.columns = now.columns.map(([name, type]) => [name === from ? to : name, type])
        }
        if (!hasTable) return yield* new QueryFailed({ reason: new RelationMissing({ message: "no such table" }) })
        const rows = sql.startsWith("SHOW CREATE TABLE")
          ? [[shownTable]]
          : sql.startsWith("SELECT column_name")
            ? now.columns.map(([name, type]) => [name, type, "YES", null])
            : []
        return { columns: [], rows: Stream.fromIterable(rows) }
      })
  })
  const member = { id: "m", clientId: "c", host: "h", partitions: new Map() }
  const services = Layer.mergeAll(
    StreamsLayer.layer,
    connector,
    trino,
    Layer.mock(ConsumerGroups, {
      find: (id) =>
        Effect.sync(() =>
          Option.some({ id, state: "Stable", members: Array.from({ length: readers() }, () => member), offsets: [] })
        )
    }),
    Layer.mock(Topics, {
      create: ({ name }) => Effect.succeed({ name, made: false, differences: [] }),
      begin: () => Effect.succeed(false),
      describe: (name) =>
        topics === undefined || topics.includes(name)
          ? Effect.succeedSome({ name, id: "topic", partitions: [] })
          : Effect.succeedNone
    })
  )
  return { calls, now, layer: TableEvolutionLayer.layer.pipe(Layer.provideMerge(services)) }
}
