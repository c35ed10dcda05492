import { randomUUID } from "node:crypto"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { Streams } from "../../services/Streams.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { inProcess, programs } from "../support/inProcess.ts"
import { start } from "../support/program.ts"
import { applied } from "../support/typedStream.ts"
import { poll } from "../support/waiting.ts"

const readings = applied(
  "readings",
  [
    { name: "device", type: "string", required: true },
    { name: "celsius", type: "double", required: true },
    { name: "at", type: "timestamptz", required: true }
  ],
  [{ column: "at", transform: "day" }]
)

const StatusJson = Schema.Struct({
  lag: Schema.Struct({ events: Schema.NullOr(Schema.Int) }),
  streams: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      paused: Schema.Boolean,
      lag: Schema.Struct({ events: Schema.NullOr(Schema.Int) }),
      table: Schema.NullOr(Schema.Struct({ rows: Schema.NullOr(Schema.Int) }))
    })
  )
})
const decodeStatus = Schema.decodeUnknownSync(Schema.fromJsonString(StatusJson))

/** Server and sink on a folder, and what a client does there. */
const inFolder = Effect.fnUntraced(function* (data: string) {
  const env = { FLOE_DATA: data, FLOE_PORT: "0", FLOE_COMMIT_INTERVAL: "50 millis" }
  const { url } = Context.get(yield* programs(env), HttpServer)
  const floe = (...args: ReadonlyArray<string>) => inProcess(args, env)
  const send = (from: number, count: number) =>
    Effect.promise(async () => {
      const events = Array.from({ length: count }, (_, i) => ({
        device: `d${from + i}`,
        celsius: (from + i) / 4,
        at: "2026-01-02T03:04:05Z"
      }))
      const headers = { "content-type": "application/json", "idempotency-key": randomUUID() }
      const response = await fetch(`${url}/streams/readings/events`, {
        method: "POST",
        headers,
        body: JSON.stringify(events)
      })
      return { status: response.status, body: await response.text() }
    }).pipe(
      // The server reads the streams again after a second.
      Effect.repeat({ schedule: Schedule.spaced("100 millis"), until: ({ status }) => status !== 404 }),
      Effect.tap(({ body, status }) => Effect.sync(() => assert.strictEqual(status, 200, body)))
    )
  const status = Effect.map(floe("status", "--json"), ({ out }) => decodeStatus(out))
  const committed = (rows: number) =>
    status.pipe(
      Effect.repeat({
        schedule: Schedule.spaced("50 millis"),
        until: ({ streams: [one] }) => one?.table?.rows === rows
      }),
      Effect.timeout("20 seconds")
    )
  return { data, floe, send, status, committed }
})

const running = Effect.gen(function* () {
  const here = yield* Effect.flatMap(temporaryFolder, inFolder)
  yield* Effect.flatMap(Streams, ({ record }) => record(readings)).pipe(
    Effect.provide(StreamsLayer.layer.pipe(Layer.provide(at(here.data))))
  )
  return here
})

describe("the commands on a stream beside weather", () => {
  it.live(
    "status, tail, audit, connector, maintain and rebuild",
    () =>
      Effect.gen(function* () {
        const { committed, data, floe, send, status } = yield* running
        yield* send(0, 10)
        yield* committed(10)
        assert.match((yield* floe("status")).out, /\n {2}readings +log end 10, lag none, 10 rows\n$/)

        const paused = yield* floe("connector", "pause", "iceberg-sink-readings")
        assert.deepStrictEqual([paused.code, paused.err], [0, ""])
        yield* send(10, 5)
        const [stream] = (yield* status).streams
        assert.deepStrictEqual(stream, { name: "readings", paused: true, lag: { events: 5 }, table: { rows: 10 } })
        assert.include((yield* floe("connector", "status", "iceberg-sink-readings")).err, "it is PAUSED")
        assert.strictEqual((yield* floe("connector", "status")).code, 0)
        assert.strictEqual((yield* floe("connector", "resume", "iceberg-sink-readings")).code, 0)
        yield* committed(15)

        const audit = yield* floe("audit", "--stream", "readings", "--json")
        assert.deepStrictEqual([audit.code, audit.err], [0, ""])
        assert.include(audit.out, `"logged": 15`)

        const examined = yield* floe("doctor", "--json")
        for (const check of ["log", "sink", "table"]) assert.include(examined.out, `"${check} of readings"`)
        assert.notInclude(examined.out, `"finding"`, examined.out)

        const maintained = yield* floe("maintain", "--stream", "readings")
        assert.deepStrictEqual([maintained.code, maintained.err], [0, ""])

        const rebuilt = yield* floe("rebuild", "--stream", "readings", "--into", "again", "--promote")
        assert.deepStrictEqual([rebuilt.code, rebuilt.err], [0, ""])
        assert.include(rebuilt.out, "default.again is in place of default.readings: 15 rows")
        yield* send(15, 1)
        yield* committed(16)
        // The hint that icebird follows is written after the metadata.
        const rows = yield* poll(
          icebirdValues(join(data, "warehouse", "default", "readings")),
          ({ length }) => length === 16
        )
        assert.deepStrictEqual(
          rows.map(({ celsius, device }) => `${device} ${celsius}`).sort(),
          Array.from({ length: 16 }, (_, i) => `d${i} ${i / 4}`).sort()
        )
      }),
    60_000
  )

  it.live(
    "backup and restore: log and table of the stream, after which the sink goes on",
    () =>
      Effect.gen(function* () {
        const { committed, data, floe, send } = yield* running
        yield* send(0, 10)
        yield* committed(10)
        const folder = `${data}-backup`
        yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
        const made = yield* floe("backup", folder)
        assert.deepStrictEqual([made.code, made.err], [0, ""])
        assert.isTrue(existsSync(join(folder, "warehouse", "default", "readings", "metadata")))
        // The backup lacks these, and what follows in the restored log has their positions.
        yield* send(10, 3)
        yield* committed(13)

        const restored = yield* temporaryFolder
        const outcome = yield* floe("restore", folder, "--into", restored)
        assert.deepStrictEqual([outcome.code, outcome.err], [0, ""])
        const there = yield* inFolder(restored)
        yield* there.send(50, 2)
        yield* there.committed(12)
        const audit = yield* there.floe("audit", "--stream", "readings", "--json")
        assert.deepStrictEqual([audit.code, audit.err], [0, ""])
        assert.include(audit.out, `"logged": 12`)
        const rows = yield* poll(
          icebirdValues(join(restored, "warehouse", "default", "readings")),
          ({ length }) => length === 12
        )
        assert.deepStrictEqual(
          rows.map(({ device }) => device).sort(),
          [...Array.from({ length: 10 }, (_, i) => `d${i}`), "d50", "d51"].sort()
        )
      }),
    60_000
  )

  it.live("npm start names them, and creates those that are declared", () =>
    Effect.gen(function* () {
      const data = yield* temporaryFolder
      const declaration = join(data, "declared.json")
      writeFileSync(declaration, JSON.stringify({ format: 1, streams: [readings.definition] }))
      const env = { FLOE_DATA: join(data, "data"), FLOE_PORT: "0", FLOE_INTERVAL: "1 hour", FLOE_STREAMS: declaration }
      const program = yield* start("standalone", env)
      const [, url] = yield* Effect.promise(() =>
        program.printed(/your streams +readings\n +send an event +curl (\S+) /)
      )
      const request = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify([{ device: "d1", celsius: 1, at: "2026-01-02T03:04:05Z" }])
      }
      const { status } = yield* Effect.promise(() => fetch(url ?? "", request))
      assert.strictEqual(status, 200)
      program.signal("SIGTERM")
      assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
      // It stops only once the event is in the table.
      const rows = yield* icebirdValues(join(data, "data", "warehouse", "default", "readings"))
      assert.deepStrictEqual(
        rows.map((row) => row.device),
        ["d1"]
      )
    })
  )

  it.live("a stream that does not exist is named, with the nearest one", () =>
    Effect.gen(function* () {
      const { floe } = yield* running
      for (const args of [["audit"], ["tail"], ["maintain"], ["rebuild", "--into", "x"]]) {
        const { code, err } = yield* floe(...args, "--stream", "reading")
        assert.strictEqual(code, 1, args[0])
        assert.include(err, "There is no stream reading; did you mean readings?", args[0])
      }
      const connector = yield* floe("connector", "pause", "iceberg-sink-nosuch")
      assert.include(connector.err, "has only its sink, iceberg-sink, iceberg-sink-readings.")
    })
  )
})
