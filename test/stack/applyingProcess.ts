/** Applies a stream on the running stack and kills itself with SIGKILL after a step. Arguments: the declaration, stream, step. */
import { Effect, Layer, Stream } from "effect"
import { read } from "../../layers/declaration/Declaration.ts"
import * as ConsumerGroupsLayer from "../../layers/log/kafka/ConsumerGroups.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import * as TopicsLayer from "../../layers/log/kafka/Topics.ts"
import { applyStream } from "../../layers/sink/applyStream.ts"
import * as ConnectorLayer from "../../layers/sink/connect/Connector.ts"
import * as TableEvolutionLayer from "../../layers/sink/connect/TableEvolution.ts"
import * as QueryLayer from "../../layers/table/trino/Query.ts"
import { Connector } from "../../services/Connector.ts"
import { Query } from "../../services/Query.ts"
import { Streams } from "../../services/Streams.ts"
import { Topics } from "../../services/Topics.ts"

const [file = "", name = "", last = ""] = process.argv.slice(2)

const dieAt = (step: string) =>
  Effect.sync(() => {
    if (step === last) process.kill(process.pid, "SIGKILL")
  })

const dyingAt =
  (step: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.tap(effect, dieAt(step))

const streams = Layer.effect(
  Streams,
  Effect.map(Streams, (streams) => ({
    ...streams,
    begin: (one, isHeld) => dyingAt("begin")(streams.begin(one, isHeld))
  }))
).pipe(Layer.provide(StreamsLayer.layer))

const topics = Layer.effect(
  Topics,
  Effect.map(Topics, (topics) => ({
    ...topics,
    create: (wanted) => dyingAt("topic")(topics.create(wanted)),
    begin: (group, topic) => dyingAt("topics")(topics.begin(group, topic))
  }))
).pipe(Layer.provide(TopicsLayer.layer))

let statements = 0
const query = Layer.effect(
  Query,
  Effect.map(Query, (query) => ({
    execute: Effect.fnUntraced(function* (sql, options) {
      const result = yield* query.execute(sql, options)
      if (!/^(CREATE TABLE|ALTER TABLE|COMMENT)/.test(sql)) return result
      const rows = yield* Effect.orDie(Stream.runCollect(result.rows))
      yield* dieAt(`statement ${++statements}`)
      return { ...result, rows: Stream.fromIterable(rows) }
    })
  }))
).pipe(Layer.provide(QueryLayer.layer))

const connector = Layer.effect(
  Connector,
  Effect.map(Connector, (connector) => ({
    ...connector,
    stop: (name) => dyingAt("stop")(connector.stop(name)),
    register: (name, config) => dyingAt("register")(connector.register(name, config)),
    resume: (name) => dyingAt("resume")(connector.resume(name))
  }))
).pipe(Layer.provide(ConnectorLayer.layer))

const program = Effect.gen(function* () {
  const compiled = yield* read(file)
  const wanted = compiled.streams.find((stream) => stream.name === name)
  if (wanted === undefined) return yield* Effect.die(new Error(`${file} declares no stream ${name}`))
  yield* applyStream(wanted, () => Effect.void)
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(
      TableEvolutionLayer.layer.pipe(
        Layer.provideMerge(streams),
        Layer.provide([topics, query, connector, ConsumerGroupsLayer.layer])
      )
    )
  )
)
