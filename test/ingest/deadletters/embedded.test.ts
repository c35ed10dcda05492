/** Given events that the server kept as dead letters, when they are listed, corrected and sent again, then each is logged once. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as EventLogReaderLayer from "../../../layers/log/sqlite/EventLogReader.ts"
import * as StreamsLayer from "../../../layers/log/sqlite/Streams.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { inProcess, programs } from "../../support/inProcess.ts"
import { poll } from "../../support/waiting.ts"

const readings: AppliedStream = {
  definition: {
    name: "readings",
    columns: [
      { name: "id", type: "long", required: true },
      { name: "celsius", type: "double", required: true }
    ],
    key: null,
    partitionBy: []
  },
  version: 1,
  ids: { id: 1, celsius: 2 },
  lastId: 2,
  appliedAt: 0
}

const running = Effect.gen(function* () {
  const folder = join(yield* temporaryFolder, "data")
  const env = { FLOE_DATA: folder, FLOE_PORT: "0" }
  const { url } = Context.get(yield* programs(env), HttpServer)
  const streams = StreamsLayer.layer.pipe(Layer.provide(at(folder)))
  yield* Effect.provide(
    Effect.flatMap(Streams, ({ record }) => record(readings)),
    streams
  )
  yield* poll(
    Effect.promise(async () => (await fetch(`${url}/streams/readings`)).status),
    (status) => status === 200
  )
  const post = (body: string) =>
    Effect.promise(async () => {
      const target = `${url}/streams/readings/events?invalid=dead-letter`
      const response = await fetch(target, { method: "POST", body, headers: { "content-type": "application/json" } })
      assert.strictEqual(response.status, 200)
      await response.arrayBuffer()
    })
  const logged = Effect.gen(function* () {
    const reader = (yield* EventLogReader).of("readings")
    const events = yield* Stream.runCollect(reader.read({ partition: 0, offset: 0 }, { until: "end" }))
    return events.map(({ record }) => record)
  }).pipe(Effect.provide(Layer.fresh(EventLogReaderLayer.layer.pipe(Layer.provide(at(folder))))))
  const floe = (...args: ReadonlyArray<string>) => inProcess(args, env)
  return { folder, post, logged, floe }
})

it.live(
  "dead letters of a stream are listed, shown, corrected and sent again once",
  () =>
    Effect.gen(function* () {
      const { folder, post, logged, floe } = yield* running
      const none = yield* floe("dlq", "list", "--stream", "readings")
      assert.deepStrictEqual(none, {
        code: 0,
        out: "Nothing is waiting: the server has kept no event of readings as a dead letter.\n",
        err: ""
      })
      yield* post('[{"id":9007199254740993},{"id":2,"celsius":2},{ "id" : 3, "celsius" : "3" },[1]]')

      const list = yield* floe("dlq", "list", "--stream", "readings", "--json")
      const lines = list.out.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.map((line) => JSON.parse(line)).map(({ position, reason }) => [position, reason]),
        [
          ["0/1", "celsius is required"],
          ["0/2", "celsius must be a JSON number in the range of a double"],
          ["0/3", "it must be an object"]
        ]
      )
      assert.match(lines[0] ?? "", /^\{"position":"0\/1","event":\{"id":9007199254740993\},/)
      assert.match(lines[2] ?? "", /^\{"position":"0\/3","event":null,/)
      assert.include((yield* floe("dlq", "list", "--stream", "readings")).out, "celsius is required")
      const shown = yield* floe("dlq", "show", "--stream", "readings", "0/2")
      assert.include(shown.out, '{ "id" : 3, "celsius" : "3" }')
      assert.strictEqual(
        (yield* floe("dlq", "show", "--stream", "readings", "0/2", "--raw")).out,
        '{ "id" : 3, "celsius" : "3" }'
      )

      const all = yield* floe("dlq", "redrive", "--stream", "readings", "--all")
      assert.strictEqual(all.code, 1)
      assert.include(all.out, "0/1: celsius is required.\n")
      assert.deepStrictEqual(yield* logged, ['{"id":"2","celsius":2}'])

      const corrections = join(folder, "corrected.ndjson")
      writeFileSync(corrections, `${lines[0]?.replace('"id":9007199254740993', '$&,"celsius":1.50')}\n${lines[2]}\n`)
      const corrected = yield* floe("dlq", "redrive", "--stream", "readings", "--file", corrections)
      assert.deepStrictEqual(
        [corrected.code, corrected.out],
        [1, "line 2, 0/3: its event is not an object.\n0/1 is logged at readings/0/1.\n"]
      )
      const one = yield* floe("dlq", "redrive", "--stream", "readings", "0/2", "--event", '{"id":3,"celsius":3}')
      assert.deepStrictEqual([one.code, one.out], [0, "0/2 is logged at readings/0/2.\n"])
      const again = yield* floe("dlq", "redrive", "--stream", "readings", "0/2", "--event", '{"id":3,"celsius":3}')
      assert.strictEqual(again.code, 1)
      assert.include(again.out, "it was already sent and is at readings/0/2")
      assert.deepStrictEqual(yield* logged, [
        '{"id":"2","celsius":2}',
        '{"id":"9007199254740993","celsius":1.5}',
        '{"id":"3","celsius":3}'
      ])
      const rest = yield* floe("dlq", "list", "--stream", "readings", "--json")
      assert.deepStrictEqual(
        rest.out
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).position),
        ["0/3"]
      )
      const unknown = yield* floe("dlq", "show", "--stream", "readings", "0/9")
      assert.strictEqual(
        unknown.err.trimEnd(),
        "There is no dead letter of readings at 0/9; floe dlq list --stream readings lists them."
      )
      assert.include((yield* floe("dlq", "list", "--stream", "reading")).err, "did you mean readings?")
    }),
  { timeout: 60_000 }
)
