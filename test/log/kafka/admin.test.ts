/** The admin client: its settings, and what it reports of addresses without a broker. */
import { createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { optionsOf } from "../../../layers/log/kafka/adminOptions.ts"
import * as Groups from "../../../layers/log/kafka/ConsumerGroups.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { kafkaSecurity } from "../../../services/Settings.ts"
import { freePort } from "../../support/program.ts"

const optionsWith = (env: Record<string, string>, brokers = "one:9092, two:9092") =>
  Effect.map(kafkaSecurity.parse(ConfigProvider.fromUnknown(env)), (security) => {
    const { clientId, bootstrapBrokers, tls, tlsServerName, sasl } = optionsOf(brokers, security, Buffer.from)
    return { clientId, bootstrapBrokers, tls, tlsServerName, sasl }
  })

describe("The settings of the admin client", () => {
  const plain = {
    clientId: "floe",
    bootstrapBrokers: ["one:9092", "two:9092"],
    tls: undefined,
    tlsServerName: undefined,
    sasl: undefined
  }
  const user = { FLOE_KAFKA_USER: "floe", FLOE_KAFKA_PASSWORD: "secret" }

  it.effect("is the brokers alone by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* optionsWith({}), plain)
    })
  )

  it.effect("is user, password and mechanism with SASL", () =>
    Effect.gen(function* () {
      for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
        const env = { FLOE_KAFKA_SECURITY: "sasl_plaintext", FLOE_KAFKA_SASL_MECHANISM: mechanism, ...user }
        const sasl = { mechanism, username: "floe", password: "secret" }
        assert.deepStrictEqual(yield* optionsWith(env), { ...plain, sasl })
      }
    })
  )

  it.effect("is what the PEM files hold with TLS", () =>
    Effect.gen(function* () {
      const files = {
        FLOE_KAFKA_CA_FILE: "authority",
        FLOE_KAFKA_CERTIFICATE_FILE: "certificate",
        FLOE_KAFKA_KEY_FILE: "key"
      }
      const tls = { ca: Buffer.from("authority"), cert: Buffer.from("certificate"), key: Buffer.from("key") }
      assert.deepStrictEqual(yield* optionsWith({ FLOE_KAFKA_SECURITY: "ssl", ...files }), {
        ...plain,
        tls,
        tlsServerName: true
      })
      const both = yield* optionsWith({ FLOE_KAFKA_SECURITY: "sasl_ssl", ...files, ...user })
      assert.deepStrictEqual(both.tls, tls)
      assert.deepStrictEqual(both.sasl, { mechanism: "SCRAM-SHA-512", username: "floe", password: "secret" })
      // The system's authorities, if none is given.
      assert.deepStrictEqual((yield* optionsWith({ FLOE_KAFKA_SECURITY: "ssl" })).tls, {})
    })
  )

  it.effect("names no host in TLS where a broker is an IP address", () =>
    Effect.gen(function* () {
      for (const brokers of ["10.0.0.1:9092", "one:9092,[::1]:9092", "10.0.0.1"]) {
        assert.isFalse((yield* optionsWith({ FLOE_KAFKA_SECURITY: "ssl" }, brokers)).tlsServerName)
      }
    })
  )
})

/** A port on which this is done with each connection. */
const listening = (connected: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        connected(socket)
      }).listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ port }) => port))

const asked = (env: Record<string, string>) =>
  ConsumerGroups.use((groups) => groups.of("weather")).pipe(
    Effect.provide(Layer.fresh(Groups.layer)),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
    Effect.flip,
    Effect.map(({ message }) => message)
  )

const check = "check FLOE_KAFKA_BROKERS and that the broker runs."
/** Of TLS, that the hello was not understood. */
const alert = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46])

describe("An address without a broker", () => {
  it.live("is named in a sentence, within seconds", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const silent = yield* listening(() => {})
      const closing = yield* listening((socket) => socket.destroy())
      const secure = yield* listening((socket) => socket.on("data", () => socket.write(alert)))
      const plain = yield* listening((socket) => socket.on("data", () => socket.write("This is no TLS.")))
      const sentence = (broker: number, env: Record<string, string> = {}) =>
        asked({ FLOE_KAFKA_BROKERS: `127.0.0.1:${broker}`, ...env })
      const started = performance.now()
      const output = yield* Effect.all(
        [
          sentence(port),
          sentence(silent),
          sentence(closing),
          sentence(secure),
          sentence(plain, { FLOE_KAFKA_SECURITY: "ssl" })
        ],
        { concurrency: "unbounded" }
      )
      assert.isBelow(performance.now() - started, 15_000)
      const begin = "The consumer groups cannot be reached (of): "
      assert.deepStrictEqual(output.slice(0, 4), [
        `${begin}no broker answers at 127.0.0.1:${port} (connection refused); ${check}`,
        `${begin}no broker of 127.0.0.1:${silent} answers in time; ${check}`,
        `${begin}127.0.0.1:${closing} closes each connection at once: the broker is down or still starting (it may be waiting for ZooKeeper), or this is not a broker; check FLOE_KAFKA_BROKERS.`,
        `${begin}the broker requires TLS; set FLOE_KAFKA_SECURITY to ssl.`
      ])
      assert.strictEqual(
        output[4],
        `${begin}the TLS connection to the broker failed (wrong version number); check FLOE_KAFKA_SECURITY and FLOE_KAFKA_CA_FILE.`
      )
    })
  )

  it.live("of settings that contradict each other, or a file that is no PEM file, is not asked", () =>
    Effect.gen(function* () {
      assert.match(yield* asked({ FLOE_KAFKA_SECURITY: "sasl_ssl" }), /needs FLOE_KAFKA_USER; set it\.$/)
      const env = {
        FLOE_KAFKA_SECURITY: "ssl",
        FLOE_KAFKA_CERTIFICATE_FILE: import.meta.filename,
        FLOE_KAFKA_KEY_FILE: import.meta.filename
      }
      assert.match(yield* asked(env), /each configured file is a PEM file and that the key has no password\.$/)
    })
  )
})
