import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import * as ConnectorLayer from "../../layers/sink/connect/Connector.ts"
import * as IcebergSink from "../../layers/sink/connect/icebergSink.ts"
import { Connector, type ConnectorStatus, sinkConnector } from "../../services/Connector.ts"

const name = "x-connect-test"

/** A sink for a topic that does not exist: it runs and has nothing to do. */
const config = {
  "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
  "tasks.max": "1",
  topics: "x-connect-nothing",
  "iceberg.tables": "default.x_connect",
  "iceberg.control.topic": "x-connect-control",
  "iceberg.catalog": "x",
  "iceberg.catalog.type": "hive"
}

const removed = Effect.ignore(Connector.use((connector) => connector.remove(name)))

const using = ConnectorLayer.layer.pipe((connector) =>
  Layer.effectDiscard(Effect.acquireRelease(removed, () => removed)).pipe(Layer.provideMerge(connector))
)

const until = (wanted: (status: ConnectorStatus) => boolean) =>
  Connector.use((connector) => connector.status(name)).pipe(
    Effect.filterOrFail(wanted),
    Effect.retry(Schedule.max([Schedule.spaced("250 millis"), Schedule.recurs(160)]))
  )

const runs = ({ connector, tasks }: ConnectorStatus) =>
  connector.state === "RUNNING" && tasks.length === 1 && tasks[0]?.state === "RUNNING"

layer(using, { excludeTestServices: true, timeout: "60 seconds" })("Kafka Connect", (it) => {
  it.effect("is registered, steered and deleted", () =>
    Effect.gen(function* () {
      const connector = yield* Connector
      assert.strictEqual(yield* connector.register(name, config), "created")
      yield* connector.status(name)
      assert.strictEqual(yield* connector.register(name, config), "unchanged")
      assert.deepStrictEqual(yield* connector.config(name), { ...config, name })
      yield* until(runs)
      yield* connector.pause(name)
      yield* until(({ connector, tasks }) => connector.state === "PAUSED" && tasks[0]?.state === "PAUSED")
      yield* connector.resume(name)
      yield* until(runs)
      yield* connector.restart(name)
      yield* until(runs)
      yield* connector.restartTask(name, 0)
      yield* until(runs)
      assert.strictEqual((yield* Effect.flip(connector.restartTask(name, 9)))._tag, "ConnectorMissing")
      assert.strictEqual(yield* connector.register(name, { ...config, "iceberg.catalog": "y" }), "updated")
      yield* until(runs)
      yield* connector.remove(name)
      assert.strictEqual((yield* Effect.flip(connector.remove(name)))._tag, "ConnectorMissing")
    })
  )

  it.effect("a connector that fails reports why", () =>
    Effect.gen(function* () {
      const connector = yield* Connector
      const { "iceberg.tables": _, ...without } = config
      yield* connector.register(name, without)
      const failed = yield* until(({ connector, tasks }) =>
        [connector, ...tasks].some(({ state, trace }) => state === "FAILED" && trace !== null)
      )
      assert.include(JSON.stringify(failed), "table")
    })
  )

  it.effect("invalid settings are reported by field, in Connect's own words, and nothing is registered", () =>
    Effect.gen(function* () {
      const connector = yield* Connector
      const error = yield* Effect.flip(
        connector.register("x-connect-bad", {
          ...config,
          "tasks.max": "many",
          transforms: "w",
          "transforms.w.type": "no.Such"
        })
      )
      assert.strictEqual(error._tag, "ConnectorInvalid")
      const fields = error._tag === "ConnectorInvalid" ? error.errors : []
      assert.deepStrictEqual(
        fields.map(({ field }) => field),
        ["tasks.max", "transforms.w.type"]
      )
      assert.include(fields[0]?.messages[0] ?? "", "Not a number of type INT")
      assert.strictEqual((yield* Effect.flip(connector.status("x-connect-bad")))._tag, "ConnectorMissing")
    })
  )

  it.effect("the settings of iceberg-sink are valid", () =>
    Effect.gen(function* () {
      const sink = IcebergSink.config(yield* IcebergSink.settings)
      assert.deepStrictEqual(yield* (yield* Connector).validate(sinkConnector, sink), [])
    })
  )
})
