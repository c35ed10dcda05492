/** Given a stream with typed columns, when a file is sent to it, then its lines are logged as events or reported with the reason. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import { at } from "../../../layers/ingest/LogClient.ts"
import { open } from "../../../layers/ingest/send/Source.ts"
import { sendFile } from "../../../layers/ingest/send/sendFile.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as MemoryStreams from "../../../layers/log/memory/Streams.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { LogClient } from "../../../services/LogClient.ts"
import type { AppliedStream, Column } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"

const columns: ReadonlyArray<Column> = [
  { name: "id", type: "long", required: true },
  { name: "ok", type: "boolean", required: false },
  { name: "celsius", type: "double", required: false },
  { name: "price", type: "decimal(12,2)", required: false },
  { name: "at", type: "timestamptz", required: false },
  { name: "note", type: "string", required: false },
  { name: "tags", type: "list", element: { type: "string" }, nullable: false, required: false },
  { name: "payload", type: "json", required: false }
]
const readings: AppliedStream = {
  definition: { name: "readings", columns, key: null, partitionBy: [] },
  version: 1,
  ids: {},
  lastId: 0,
  appliedAt: 0
}

const recorded = Layer.effectDiscard(Effect.flatMap(Streams, ({ record }) => record(readings)))
const client = Layer.unwrap(Effect.map(HttpServer, ({ port }) => at(new URL(`http://127.0.0.1:${port}`))))
const server = client.pipe(
  Layer.provideMerge(HttpServer.at("127.0.0.1", 0)),
  Layer.provideMerge(recorded),
  Layer.provideMerge(MemoryStreams.layer),
  Layer.provideMerge(Memory.layer),
  Layer.merge(SecureRandom.layerWebCrypto),
  Layer.fresh
)

/** Sends a file, and returns what the log then has of the stream and what was reported. */
const sent = Effect.fnUntraced(function* (name: string, content: string, times = 1) {
  const path = join(yield* temporaryFolder, name)
  writeFileSync(path, content)
  const stream = yield* (yield* LogClient).describe("readings")
  const reported: Array<readonly [number, string]> = []
  for (let time = 0; time < times; time++) {
    const { rejected } = yield* sendFile({
      source: yield* open(path),
      stream,
      format: undefined,
      complete: true,
      target: "here",
      again: false,
      doubtful: undefined,
      progress: () => Effect.void,
      onRejected: () => Effect.void
    })
    if (time > 0 || rejected === 0) continue
    for (const line of readFileSync(`${path}.refused.ndjson`, "utf8").trimEnd().split("\n")) {
      const { line: at, reason } = JSON.parse(line)
      reported.push([at, reason])
    }
  }
  const reader = (yield* EventLogReader).of("readings")
  const events = yield* Stream.runCollect(reader.read({ partition: 0, offset: 0 }, { until: "end" }))
  return { records: events.map(({ record }) => record), reported }
})

describe("a file for a stream", () => {
  it.live("is CSV with a header of columns: an empty field is absent, a quoted one is empty text", () =>
    Effect.gen(function* () {
      const csv = [
        "note,id,ok,celsius,price,at,tags,payload",
        'plain,9007199254740993,true,2.50,12.5,2026-11-27T11:11:12+01:00,"[""a"", ""b""]","{""n"": 1.0}"',
        ",1,,,,,,",
        '"",2,,,,,,',
        "x,3,yes,,,,,",
        "x,4,,warm,,,,",
        "x,5,,,1.234,,,",
        "x,,,,,,,",
        "x,6,,,,,a,",
        "x,7,,,,,,{",
        '"two\nlines",8,,,,,"[""a"",\n""b""]",'
      ].join("\n")
      const { records, reported } = yield* sent("readings.csv", csv, 2)
      assert.deepStrictEqual(records, [
        '{"id":"9007199254740993","ok":true,"celsius":2.5,"price":"12.50","at":"2026-11-27T10:11:12.000000Z","note":"plain","tags":["a","b"],"payload":"{\\"n\\":1.0}"}',
        '{"id":"1"}',
        '{"id":"2","note":""}',
        '{"id":"8","note":"two\\nlines","tags":["a","b"]}'
      ])
      assert.deepStrictEqual(reported, [
        [5, "ok must be true or false"],
        [6, "celsius must be a JSON number in the range of a double"],
        [
          7,
          "price must be a decimal number with at most 10 digits before the point and 2 after it, as a JSON number or a string that holds one"
        ],
        [8, "id is required"],
        [9, "tags must be an array"],
        [10, "payload is not valid JSON"]
      ])
    }).pipe(Effect.provide(server))
  )

  it.live("is NDJSON with an event a line", () =>
    Effect.gen(function* () {
      const lines = [
        '{"id":1,"payload":{"n":1.0}}',
        '{"id":"x"}',
        '[{"id":2}]',
        '{"id":3',
        '{"id":4} {"id":5}',
        '{"id":6}'
      ]
      const { records, reported } = yield* sent("readings.ndjson", lines.join("\n"))
      assert.deepStrictEqual(records, ['{"id":"1","payload":"{\\"n\\":1.0}"}', '{"id":"6"}'])
      assert.deepStrictEqual(
        reported.map(([line]) => line),
        [2, 3, 4, 5]
      )
    }).pipe(Effect.provide(server))
  )

  it.live("may have large events: a batch stays within what the server takes", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ id: i, note: "x".repeat(500_000) }))
      const { records, reported } = yield* sent("large.ndjson", lines.join("\n"))
      assert.deepStrictEqual([records.length, reported], [40, []])
    }).pipe(Effect.provide(server))
  )

  it.live("has a header that names columns of the stream, and all that are required", () =>
    Effect.gen(function* () {
      const reasonOf = (csv: string) => Effect.map(Effect.flip(sent("x.csv", csv)), (error) => String(error))
      assert.include(
        yield* reasonOf("id,humidity\n1,2\n"),
        'its first line names "humidity", but readings has the 8 columns id, ok'
      )
      assert.include(yield* reasonOf("ok\ntrue\n"), "its first line does not name id")
      assert.include(yield* reasonOf("id,id\n1,2\n"), "its first line names a field twice")
    }).pipe(Effect.provide(server))
  )

  it.live("needs a stream that the server has", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* LogClient).describe("reading"))
      assert.strictEqual(error.message, "There is no stream reading; did you mean readings?")
    }).pipe(Effect.provide(server))
  )
})
