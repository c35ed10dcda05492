import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Result } from "effect"
import * as fc from "fast-check"
import type { Described } from "../../../layers/log/kafka/Cluster.ts"
import { because, failureOf, KafkaFailure, reasonOfLine } from "../../../layers/log/kafka/failures.ts"
import * as IdempotencyIndex from "../../../layers/log/kafka/IdempotencyIndex.ts"
import type { Batch, Producer } from "../../../layers/log/kafka/Producer.ts"
import { headersOf, keyOf, recordOf, valueOf } from "../../../layers/log/kafka/records.ts"
import { checked, configOf } from "../../../layers/log/kafka/Security.ts"
import * as Sender from "../../../layers/log/kafka/Sender.ts"
import { differencesOf } from "../../../layers/log/kafka/topicDifferences.ts"
import { kafkaSecurity, kafkaTimeout } from "../../../services/Settings.ts"
import type { TopicRetention } from "../../../services/Topics.ts"
import { record } from "../eventLogContract.ts"

const hour = 60 * 60 * 1000

describe("Security of the connections to Kafka", () => {
  const configured = (env: Record<string, string>, unreadable: ReadonlyArray<string> = []) =>
    kafkaSecurity.parse(ConfigProvider.fromUnknown(env)).pipe(
      Effect.map((security) => checked(security, (path) => !unreadable.includes(path))),
      Effect.map(
        Result.match({
          onFailure: (error) => error.message,
          onSuccess: (security) => configOf("one:9092,two:9092", security)
        })
      )
    )

  it.effect("is none by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* configured({}), {
        "bootstrap.servers": "one:9092,two:9092",
        "security.protocol": "plaintext"
      })
    })
  )

  it.effect("gives the client user, password, mechanism and files", () =>
    Effect.gen(function* () {
      const env = {
        FLOE_KAFKA_SECURITY: "sasl_ssl",
        FLOE_KAFKA_USER: "floe",
        FLOE_KAFKA_PASSWORD: "secret",
        FLOE_KAFKA_CA_FILE: "/ca.pem",
        FLOE_KAFKA_CERTIFICATE_FILE: "/me.pem",
        FLOE_KAFKA_KEY_FILE: "/me.key"
      }
      assert.deepStrictEqual(yield* configured(env), {
        "bootstrap.servers": "one:9092,two:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "floe",
        "sasl.password": "secret",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "ssl.key.location": "/me.key"
      })
    })
  )

  it.effect("and the time for an acknowledgement are rejected if the client could not take them", () =>
    Effect.gen(function* () {
      for (const [time, isTaken] of [
        ["0 seconds", false],
        ["99 millis", false],
        ["100 millis", true],
        ["1 minute", true],
        ["1 hour", false]
      ] as const) {
        const read = yield* Effect.result(kafkaTimeout.parse(ConfigProvider.fromUnknown({ FLOE_KAFKA_TIMEOUT: time })))
        assert.strictEqual(Result.isSuccess(read), isTaken, time)
      }
    })
  )

  for (const [env, sentence] of [
    [{ FLOE_KAFKA_SECURITY: "sasl_ssl" }, "needs FLOE_KAFKA_USER; set it."],
    [{ FLOE_KAFKA_SECURITY: "sasl_ssl", FLOE_KAFKA_USER: "floe" }, "needs FLOE_KAFKA_PASSWORD; set it."],
    [{ FLOE_KAFKA_USER: "floe" }, "FLOE_KAFKA_SECURITY is plaintext; set it to sasl_ssl or sasl_plaintext."],
    [{ FLOE_KAFKA_CA_FILE: "/ca.pem" }, "FLOE_KAFKA_CA_FILE is set, and FLOE_KAFKA_SECURITY is plaintext"],
    [{ FLOE_KAFKA_SECURITY: "ssl", FLOE_KAFKA_KEY_FILE: "/me.key" }, "need each other; set both or none."],
    [
      { FLOE_KAFKA_SECURITY: "ssl", FLOE_KAFKA_CA_FILE: "/gone.pem" },
      "FLOE_KAFKA_CA_FILE is /gone.pem, which cannot be read"
    ]
  ] satisfies ReadonlyArray<readonly [Record<string, string>, string]>) {
    it.effect(`rejects ${JSON.stringify(env)}`, () =>
      Effect.gen(function* () {
        const message = yield* configured(env, ["/gone.pem"])
        assert.isString(message)
        assert.include(message, sentence)
      })
    )
  }
})

describe("What the Kafka client reports", () => {
  for (const [line, reason] of [
    [
      "[thrd:localhost:1/bootstrap]: localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
      "no broker answers at 127.0.0.1:1 (connection refused)"
    ],
    [
      "[thrd:no.such.host:9092/bootstrap]: no.such.host:9092/bootstrap: Failed to resolve 'no.such.host:9092': Name or service not known (after 2ms in state CONNECT)",
      "the host of no.such.host:9092 is unknown"
    ],
    [
      "[thrd:sasl_ssl://localhost:9092/bootstrap]: sasl_ssl://localhost:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
      "no broker answers at 127.0.0.1:9092 (connection refused)"
    ],
    [
      "[thrd:sasl_ssl://localhost:9092/bootstrap]: sasl_ssl://localhost:9092/bootstrap: SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 377ms in state AUTH_REQ)",
      "the broker rejected the user, the password or the mechanism"
    ],
    [
      "[thrd:ssl://localhost:9092/bootstrap]: ssl://localhost:9092/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified (after 4ms in state SSL_HANDSHAKE)",
      "the TLS connection to the broker failed (certificate verify failed)"
    ],
    [
      "[thrd:localhost:9092/bootstrap]: localhost:9092/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 7ms in state APIVERSION_QUERY)",
      "the broker closes the connection at once"
    ]
  ] as const) {
    it(`is reported as: ${reason}`, () => assert.include(reasonOfLine(line)?.message ?? "", reason))
  }

  it("does not say why a broker that hangs does not answer", () =>
    assert.isUndefined(
      reasonOfLine(
        "[thrd:sasl_plaintext://localhost:9092/bootstrap]: sasl_plaintext://localhost:9092/1: SASL PLAIN mechanism handshake failed: Local: Timed out: broker's supported mechanisms:  (after 1500ms in state AUTH_HANDSHAKE)"
      )
    ))

  it("names the missing topic, and how to create it", () => {
    const failure = failureOf({ code: 3, message: "Unknown topic" }, "localhost:9092", "weather", undefined)
    assert.include(
      failure.reason.message,
      "the topic weather does not exist; if it never existed, create it with floe topics create"
    )
  })

  it("reports what to set if there are more replicas than brokers", () => {
    const message = "Replication factor: 3 larger than available brokers: 1."
    const failure = failureOf({ code: 38, message }, "localhost:9092", "weather", undefined)
    assert.include(failure.reason.message, "set it to that number or less")
  })

  it("reports what to set if the topic's name is invalid", () => {
    const failure = failureOf({ code: 17, message: "Broker: Invalid topic" }, "localhost:9092", "a b", undefined)
    assert.include(failure.reason.message, '"a b" is not a valid topic name; set FLOE_TOPIC')
  })
})

describe("Records as messages", () => {
  it("have exactly the three fields as their value, in UTF-8", () => {
    const value = valueOf({ city: "Zürich", temperature: "1e3", ts: "2026-01-08-14" })
    assert.strictEqual(
      value.toString("hex"),
      Buffer.from('{"city":"Zürich","temperature":"1e3","ts":"2026-01-08-14"}').toString("hex")
    )
  })

  it("carry their key, and a header with their index and count", () => {
    const headers = headersOf({ key: "k", digest: "d" }, 2, 5)
    const message = { partition: 0, offset: 0, value: valueOf(record("Oslo")), key: Buffer.from("k"), headers }
    assert.deepStrictEqual(keyOf(message), { key: "k", digest: "d", index: 2, count: 5 })
    assert.deepStrictEqual(headers, [{ "floe-request": "2/5 d" }])
    for (const other of [[], [{ other: "x" }], [{ "floe-request": "5/5 d" }], [{ "floe-request": "a/5 d" }]]) {
      assert.isUndefined(keyOf({ ...message, headers: other }))
    }
    assert.isUndefined(keyOf({ ...message, key: null }))
  })

  for (const value of [
    null,
    "",
    "42",
    "{",
    '{"city":"Oslo"}',
    '{"city":{"a":1},"temperature":"1","ts":"2026-01-08-14"}',
    '{"city":"Oslo","temperature":"1","ts":"2026-01-08-14","more":"x"}'
  ]) {
    it(`are none of ours if their value is ${value}`, () => {
      const bytes = value === null ? null : Buffer.from(value)
      assert.strictEqual(recordOf({ partition: 0, offset: 0, value: bytes, key: null })._tag, "None")
    })
  }
})

describe("Keys", () => {
  const logged = (keys: IdempotencyIndex.IdempotencyIndex, key: string, offset: number, now: number) => {
    const receipt = keys.begin({ key, digest: "d" }, 1, "2026-01-08-14", now)
    keys.reached(0, offset + 1)
    keys.placed(receipt, 0, { partition: 0, offset })
    receipt.busy = false
  }

  it("are known for 24 hours and not longer", () => {
    const keys = IdempotencyIndex.make(1000)
    logged(keys, "a", 0, 0)
    assert.isDefined(keys.find("a", 24 * hour - 1))
    assert.isUndefined(keys.find("a", 24 * hour))
  })

  it("are known for so many events, with those that came before them in a new generation or not", () => {
    const keys = IdempotencyIndex.make(100)
    for (let i = 0; i < 1000; i++) {
      logged(keys, `k${i}`, i, i)
      for (const [age, known] of [
        [0, true],
        [99, true],
        [100, false]
      ] as const) {
        if (i >= age) assert.strictEqual(keys.find(`k${i - age}`, i) !== undefined, known, `${i}: ${age} events ago`)
      }
    }
  })

  it("that are read from the topic have their positions in the order of the records, whatever the order of reading", () => {
    const keys = IdempotencyIndex.make(100)
    keys.reached(0, 10)
    const at = { acceptedAt: 0, ts: () => "2026-01-08-14" }
    for (const [index, offset] of [
      [1, 5],
      [0, 4],
      [2, 9]
    ] as const) {
      assert.isTrue(keys.read({ key: "k", digest: "d", index, count: 3 }, { partition: 0, offset }, at))
    }
    assert.deepStrictEqual(keys.find("k", 0)?.positions, [
      { partition: 0, offset: 4, count: 2 },
      { partition: 0, offset: 9, count: 1 }
    ])
    assert.isFalse(keys.read({ key: "k", digest: "d", index: 0, count: 3 }, { partition: 0, offset: 12 }, at))
  })

  it("that are logged again after so many events stand for the later request", () => {
    const keys = IdempotencyIndex.make(100)
    const read = (offset: number) => {
      keys.reached(0, offset + 1)
      const at = { acceptedAt: offset, ts: () => "2026-01-08-14" }
      return keys.read({ key: "k", digest: "d", index: 0, count: 1 }, { partition: 0, offset }, at)
    }
    assert.isTrue(read(0))
    assert.isFalse(read(100))
    assert.isTrue(read(101))
    assert.deepStrictEqual(keys.find("k", 200)?.positions, [{ partition: 0, offset: 101, count: 1 }])
  })

  it("with missing records name them", () => {
    const keys = IdempotencyIndex.make(100)
    keys.read(
      { key: "k", digest: "d", index: 1, count: 3 },
      { partition: 0, offset: 7 },
      { acceptedAt: 0, ts: () => "" }
    )
    assert.deepStrictEqual([...(keys.find("k", 0)?.parts?.keys() ?? [])], [1])
  })
})

describe("Keys of several streams that share a number of them", () => {
  const indexes = (count: number, max: number) => {
    const budget = IdempotencyIndex.makeBudget(max)
    return Array.from({ length: count }, () => IdempotencyIndex.make(1000, () => 0, budget))
  }
  const read = (
    keys: IdempotencyIndex.IdempotencyIndex | undefined,
    key: string,
    { index = 0, count = 1 } = {},
    offset = 0
  ) => {
    keys?.reached(0, offset + 1)
    return keys?.read({ key, digest: "d", index, count }, { partition: 0, offset }, { acceptedAt: 0, ts: () => "" })
  }

  it("keep what is known of a request that is read in parts, while others end", () => {
    const [one, other] = indexes(2, 10)
    read(one, "parts", { index: 0, count: 3 }, 0)
    read(one, "parts", { index: 1, count: 3 }, 1)
    for (let i = 0; i < 4; i++) read(other, `other ${i}`, {}, i)
    for (let i = 0; i < 40; i++) read(one, `one ${i}`, {}, i + 2)
    read(one, "parts", { index: 2, count: 3 }, 42)
    assert.deepStrictEqual(one?.find("parts", 0)?.positions, [
      { partition: 0, offset: 0, count: 2 },
      { partition: 0, offset: 42, count: 1 }
    ])
  })

  it("keep the ones in flight, the newest of each stream, and no more than the number", () => {
    const max = 20
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(5)), { minLength: 40, maxLength: 200 }), (requests) => {
        const all = indexes(4, max)
        const busy: Array<[number, string]> = []
        const newest = new Map<number, string>()
        for (const [i, [stream, kind]] of requests.entries()) {
          const key = `k${i}`
          if (kind === 0 && busy.length < 5) {
            all[stream]?.begin({ key, digest: "d" }, 1, "", 0)
            busy.push([stream, key])
          } else read(all[stream], key, {}, i)
          newest.set(stream, key)
          const known = requests.slice(0, i + 1).filter(([at], n) => all[at]?.find(`k${n}`, 0) !== undefined)
          assert.isAtMost(known.length, max + all.length + busy.length)
          for (const [at, one] of [...busy, ...newest]) assert.isDefined(all[at]?.find(one, 0), one)
        }
      })
    )
  })
})

describe("Handing records to the client", () => {
  /** The client's own queue takes so many messages, and nothing is ever delivered unless a test does it. */
  const clientOf = (room: number) => {
    const taken: Array<{ readonly batch: Batch; readonly index: number }> = []
    const producer: Producer = {
      send: (batch, index) => {
        if (taken.length === room) throw Object.assign(new Error("Local: Queue full"), { code: -184 })
        batch.open++
        taken.push({ batch, index })
      },
      seen: () => undefined
    }
    return { producer, taken }
  }
  const sending = (count: number) => {
    const outcomes: Array<string> = []
    const records = Array.from({ length: count }, (_, i) => record(`City ${i}`))
    return {
      outcomes,
      what: {
        records,
        key: null,
        headers: () => undefined,
        acceptedAt: 0,
        onDelivered: () => {},
        onEnd: (outcome: string) => outcomes.push(outcome)
      }
    }
  }
  const failure = (cause: unknown) => new KafkaFailure({ reason: because("it failed"), cause })

  it.effect("certainly logs nothing if the client's queue is full at the first record", () =>
    Effect.gen(function* () {
      const { producer } = clientOf(0)
      const sender = Sender.make(
        () => producer,
        () => undefined,
        failure
      )
      const { what, outcomes } = sending(2)
      assert.strictEqual((yield* Effect.flip(sender.send(what)))._tag, "LogUnavailable")
      assert.deepStrictEqual(outcomes, ["rejected"])
      assert.strictEqual(sender.waiting(), 0)
    })
  )

  it.effect("sends nothing more once the client's queue is full, and it is uncertain what was logged", () =>
    Effect.gen(function* () {
      const { producer, taken } = clientOf(2)
      const sender = Sender.make(
        () => producer,
        () => undefined,
        failure
      )
      const { what, outcomes } = sending(5)
      const answer = yield* Effect.forkChild(Effect.flip(sender.send(what)), { startImmediately: true })
      assert.strictEqual(taken.length, 2)
      for (const { batch, index } of taken) {
        batch.delivered(index, 0, index)
        if (--batch.open === 0) batch.done()
      }
      assert.strictEqual((yield* Fiber.join(answer))._tag, "AppendOutcomeUnknown")
      assert.deepStrictEqual(outcomes, ["unknown"])
      assert.strictEqual(sender.waiting(), 0)
    })
  )

  it.effect("rejects while more than 50,000 records wait", () =>
    Effect.gen(function* () {
      const { producer } = clientOf(Number.POSITIVE_INFINITY)
      const sender = Sender.make(
        () => producer,
        () => undefined,
        failure
      )
      yield* Effect.forkChild(sender.send(sending(50_000).what), { startImmediately: true })
      const error = yield* Effect.flip(sender.send(sending(1).what))
      assert.include(error.message, "50,000 records are waiting for the broker already")
    })
  )
})

describe("An existing topic", () => {
  const wanted = { name: "weather", partitions: 4, replication: 3 }
  const partitions = (count: number, replicas: number) => ({
    id: "x",
    partitions: Array.from({ length: count }, () => ({ replicas }))
  })

  const unlimited = { millis: null, bytes: null, cleanup: "delete" }
  const differences = (found: Described, starts: ReadonlyArray<number> = [], retention: TopicRetention = unlimited) =>
    differencesOf(wanted, found, starts, retention, "one:9092")

  it("is compared in partitions and replicas", () => {
    assert.deepStrictEqual(differences(partitions(4, 3), [0, 0, 0, 0]), [])
    assert.match(
      differences(partitions(1, 3))[0] ?? "",
      /has 1 partition, not 4; kafka-topics --bootstrap-server one:9092 --alter --topic weather --partitions 4 adds/
    )
    assert.match(differences(partitions(6, 3))[0] ?? "", /has 6 partitions, not 4; Kafka cannot remove/)
    assert.match(differences(partitions(4, 1))[0] ?? "", /has 1 replica, not 3/)
  })

  it("is compared in what it keeps", () => {
    const command = "kafka-configs --bootstrap-server one:9092 --alter --topic weather --add-config"
    for (const [retention, is, fixed] of [
      [{ ...unlimited, millis: 604_800_000 }, "retention.ms=604800000", "retention.ms=-1"],
      [{ ...unlimited, millis: 1, bytes: 5 }, "retention.ms=1,retention.bytes=5", "retention.ms=-1,retention.bytes=-1"],
      [{ ...unlimited, cleanup: "compact,delete" }, "cleanup.policy=compact,delete", "cleanup.policy=delete"]
    ] as const) {
      assert.deepStrictEqual(differences(partitions(4, 3), [], retention), [
        `The topic weather does not keep its records forever (${is}); ${command} ${fixed} fixes that.`
      ])
    }
  })

  it("is reported to have lost events if it begins later", () => {
    const [difference] = differences(partitions(4, 3), [0, 0, 12, 0])
    assert.match(difference ?? "", /begins at offset 12 of partition 2: earlier events have expired or were deleted/)
  })
})
