/** The log on a broker with TLS and SCRAM: what it writes is read back by Kafka's own consumer, and what is wrong is named. */

import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Schedule, Stream } from "effect"
import { Admin } from "../../layers/log/kafka/Admin.ts"
import * as BatchProducer from "../../layers/log/kafka/BatchProducer.ts"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { logOn, streamsOf } from "./kafkaTopic.ts"
import {
  addresses,
  consumed,
  type Mechanism,
  newTopic,
  passwords,
  reauthenticationMillis,
  securedBroker,
  user
} from "./securedBroker.ts"

class Folder extends Context.Service<Folder, string>()("test/stack/kafkaSecurity/Folder") {}

const definition = (name: string): AppliedStream => ({
  definition: {
    name,
    columns: [{ name: "n", type: "int", required: true }],
    key: null,
    partitionBy: []
  },
  version: 1,
  ids: { n: 1 },
  lastId: 1,
  appliedAt: 1
})

const withUser = (mechanism: Mechanism, password: string = passwords[mechanism]) => ({
  FLOE_KAFKA_BROKERS: addresses.sasl,
  FLOE_KAFKA_SECURITY: "sasl_ssl",
  FLOE_KAFKA_SASL_MECHANISM: mechanism,
  FLOE_KAFKA_USER: user,
  FLOE_KAFKA_PASSWORD: password
})

const first = '{"n":0}'
const events = ['{"n":1}', '{"n":2}', '{"n":3}']

type Settings = Readonly<Record<string, string>>

const logWith = Effect.fnUntraced(function* (stream: string, settings: Settings, authority = "authority.pem") {
  const file = join(yield* Folder, authority)
  const all = { FLOE_KAFKA_CA_FILE: file, FLOE_KAFKA_TIMEOUT: "5 seconds", ...settings }
  return { log: logOn(stream, all, streamsOf(definition(stream))), config: ConfigProvider.fromUnknown(all) }
})

const append = Effect.fnUntraced(function* (stream: string, key: string) {
  yield* (yield* EventLog).append({ stream, schemaVersion: 1, records: events.slice(0, 2) })
  const idempotency = { key, digest: "d" }
  yield* (yield* EventLog).append({ stream, schemaVersion: 1, records: events.slice(2), idempotency })
})

/** Waits until the log is connected. */
const appendFirst = Effect.fnUntraced(function* (stream: string) {
  const { append } = yield* EventLog
  yield* append({ stream, schemaVersion: 1, records: [first] }).pipe(
    Effect.retry({ while: ({ _tag }) => _tag === "LogUnavailable", schedule: Schedule.spaced("200 millis") }),
    Effect.timeout("20 seconds")
  )
})

/** A new stream to which `write` appended with these settings, and what the log reads of it. */
const appended = Effect.fnUntraced(function* <A, E>(
  settings: Settings,
  write: (stream: string) => Effect.Effect<A, E, EventLog>
) {
  const stream = yield* newTopic
  const { log } = yield* logWith(stream, settings)
  return yield* Effect.gen(function* () {
    yield* appendFirst(stream)
    yield* write(stream)
    const reader = (yield* EventLogReader).of(stream)
    const read = yield* Stream.runCollect(reader.read({ partition: 0, offset: 0 }, { until: "end" }))
    return { stream, read: read.flat().map(({ record }) => record) }
  }).pipe(Effect.provide(Layer.fresh(log)))
})

/** Why neither the log nor its producer can be opened with these settings. */
const refused = Effect.fnUntraced(function* (settings: Settings, authority?: string) {
  const { config, log } = yield* logWith("x_none", settings, authority)
  const ofLog = Effect.flip(Effect.provide(append("x_none", "k"), Layer.fresh(log)))
  const ofProducer = Effect.flip(BatchProducer.connect("x_none", () => {})).pipe(
    Effect.scoped,
    Effect.provide(Layer.merge(Admin.layer, Cluster.layer)),
    Effect.provide(ConfigProvider.layer(config))
  )
  return (yield* Effect.all([ofLog, ofProducer], { concurrency: 2 })).map(String)
})

describe("A log on a secured broker", () => {
  layer(Layer.effect(Folder, securedBroker), { timeout: "90 seconds", excludeTestServices: true })("of Kafka", (it) => {
    it.effect("is written and read over TLS, with each mechanism and without a user", () =>
      Effect.forEach(
        [
          ["SCRAM-SHA-256", withUser("SCRAM-SHA-256")],
          ["SCRAM-SHA-512", withUser("SCRAM-SHA-512")],
          ["SCRAM-SHA-512", { FLOE_KAFKA_BROKERS: addresses.tls, FLOE_KAFKA_SECURITY: "ssl" }]
        ] as const,
        Effect.fnUntraced(function* ([mechanism, settings]) {
          const { read, stream } = yield* appended(settings, (stream) => append(stream, "k"))
          assert.deepStrictEqual(read, [first, ...events])
          assert.deepStrictEqual(yield* consumed(stream, read.length, mechanism), read)
        }),
        { concurrency: 3 }
      )
    )

    it.effect("names the settings of a wrong password, of that of another mechanism, and of an unknown user", () =>
      Effect.forEach(
        [
          withUser("SCRAM-SHA-512", "another"),
          withUser("SCRAM-SHA-256", passwords["SCRAM-SHA-512"]),
          { ...withUser("SCRAM-SHA-256"), FLOE_KAFKA_USER: "nobody" }
        ],
        Effect.fnUntraced(function* (settings) {
          for (const message of yield* refused(settings)) {
            assert.match(
              message,
              /the broker rejected the user, the password or the mechanism; check FLOE_KAFKA_USER, FLOE_KAFKA_PASSWORD and FLOE_KAFKA_SASL_MECHANISM/
            )
          }
        }),
        { concurrency: 3 }
      )
    )

    it.effect("names the setting of a certificate that is not trusted", () =>
      Effect.gen(function* () {
        for (const message of yield* refused(withUser("SCRAM-SHA-512"), "stranger.pem")) {
          assert.match(
            message,
            /the TLS connection to the broker failed.*; check FLOE_KAFKA_SECURITY and FLOE_KAFKA_CA_FILE/
          )
        }
      })
    )

    it.effect("goes on while its connections authenticate again", () =>
      Effect.gen(function* () {
        const times = (2.5 * reauthenticationMillis) / 100
        const { read, stream } = yield* appended(withUser("SCRAM-SHA-512"), (stream) =>
          Effect.forEach(Array.from({ length: times }), (_, i) =>
            Effect.andThen(append(stream, `k${i}`), Effect.sleep("100 millis"))
          )
        )
        const all = [first, ...Array.from({ length: times }, () => events).flat()]
        assert.deepStrictEqual(read, all)
        assert.deepStrictEqual(yield* consumed(stream, all.length, "SCRAM-SHA-512"), all)
      })
    )
  })
})
