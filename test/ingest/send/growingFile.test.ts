import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import { at } from "../../../layers/ingest/LogClient.ts"
import { open } from "../../../layers/ingest/send/Source.ts"
import { type SendOptions, sendFile } from "../../../layers/ingest/send/sendFile.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import { lock } from "../../../layers/runtime/ProcessLock.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { logged } from "../http/httpConnection.ts"

const client = Layer.unwrap(Effect.map(HttpServer, ({ port }) => at(new URL(`http://127.0.0.1:${port}`))))
const serving = client.pipe(
  Layer.provideMerge(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer))),
  Layer.provideMerge(Memory.layer),
  Layer.merge(SecureRandom.layerWebCrypto)
)

/** A file, how to send it, and what it has put into the log. */
const sending = Effect.fnUntraced(function* (name: string, content: string | Buffer) {
  const path = join(yield* temporaryFolder, name)
  writeFileSync(path, content)
  const before = (yield* logged).length
  const send = (options: Partial<SendOptions> = {}) =>
    Effect.gen(function* () {
      const source = yield* open(path)
      return yield* sendFile({
        source,
        format: undefined,
        complete: false,
        target: "here",
        again: false,
        doubtful: undefined,
        progress: () => Effect.void,
        onRejected: () => Effect.void,
        ...options
      })
    })
  return {
    path,
    send,
    cities: Effect.map(logged, (records) =>
      records.slice(before).map(({ city, temperature }) => `${city} ${temperature}`)
    )
  }
})

layer(serving)("floe send of a file", (it) => {
  it.effect("loses no line of the first part", () =>
    Effect.gen(function* () {
      const { path, send, cities } = yield* sending(
        "readings.csv",
        'city,temperature\nA,1\nMonitor 24",5\n"Monitor 27,5\nB,2\nC,3\n'
      )
      assert.deepInclude(yield* send(), { acknowledged: 4, reported: 1, waiting: null })
      assert.deepStrictEqual(yield* cities, ["A 1", 'Monitor 24" 5', "B 2", "C 3"])
      assert.deepStrictEqual(JSON.parse(readFileSync(`${path}.refused.ndjson`, "utf8")), {
        line: 4,
        reason: "a quote in it is not closed",
        text: '"Monitor 27,5'
      })
    })
  )

  it.effect("does not send a line without a line end until it has one", () =>
    Effect.gen(function* () {
      for (const [name, header, oslo] of [
        ["a.csv", "city,temperature\r\nLima,1\r\n", ["Oslo,4", "1.5", "\r", "\nPune,2\r\n"]],
        [
          "a.ndjson",
          '{"city":"Lima","temperature":1}\n',
          ['{"city":"Oslo",', '"temperature":41.5}', "\n", '{"city":"Pune","temperature":2}\n']
        ]
      ] as const) {
        const { path, send, cities } = yield* sending(name, header + oslo[0])
        const line = name === "a.csv" ? 3 : 2
        assert.deepInclude(yield* send(), { acknowledged: 1, reported: 0, waiting: line })
        assert.deepInclude(yield* send(), { acknowledged: 0, reported: 0, logged: 1, waiting: line })
        appendFileSync(path, oslo[1])
        assert.deepInclude(yield* send(), { acknowledged: 0, waiting: line })
        appendFileSync(path, oslo[2])
        yield* send()
        appendFileSync(path, oslo[3])
        assert.deepInclude(yield* send(), { logged: 3, rejected: 0, waiting: null })
        assert.deepStrictEqual(yield* cities, ["Lima 1", "Oslo 41.5", "Pune 2"])
      }
    })
  )

  it.effect("sends it with --complete, and recognises it once it has its end, but not once it has changed", () =>
    Effect.gen(function* () {
      const { path, send, cities } = yield* sending("a.csv", "city,temperature\nLima,1\nOslo,4")
      assert.deepInclude(yield* send({ complete: true }), { acknowledged: 2, waiting: null })
      assert.deepInclude(yield* send(), { acknowledged: 0, logged: 2, waiting: null })
      const changed = writeFileSync.bind(undefined, path)
      changed("city,temperature\nLima,1\nOslo,41.5\n")
      assert.match((yield* Effect.flip(send())).message, /has changed in the part that was already sent/)
      changed("city,temperature\nLima,1\nOslo,4\r\nPune,2\r\n")
      assert.deepInclude(yield* send(), { acknowledged: 1, logged: 3, waiting: null })
      appendFileSync(path, "Rome,3\r\nbad\r\n")
      assert.deepInclude(yield* send(), { acknowledged: 1, reported: 1, waiting: null })
      assert.deepInclude(JSON.parse(readFileSync(`${path}.refused.ndjson`, "utf8")), { line: 6, text: "bad" })
      assert.deepStrictEqual(yield* cities, ["Lima 1", "Oslo 4", "Pune 2", "Rome 3"])
    })
  )

  it.effect(
    "decides on a quote that is not closed where the file ends, and waits for the end of a line that is too long",
    () =>
      Effect.gen(function* () {
        const quoted = yield* sending("a.csv", 'city,temperature\nLima,1\n"Oslo,4\nPune,2\n')
        assert.deepInclude(yield* quoted.send(), { acknowledged: 2, reported: 1, waiting: null })
        appendFileSync(quoted.path, 'Kiel 5",7\n"Rome",5\n')
        assert.deepInclude(yield* quoted.send(), { acknowledged: 2, reported: 0, waiting: null })
        assert.deepStrictEqual(yield* quoted.cities, ["Lima 1", "Pune 2", 'Kiel 5" 7', "Rome 5"])
        const long = yield* sending("b.ndjson", `{"city":"Lima","temperature":1}\n${"x".repeat(3_000_000)}`)
        assert.deepInclude(yield* long.send(), { acknowledged: 1, reported: 0, waiting: 2 })
        appendFileSync(long.path, 'x\n{"city":"Pune","temperature":2}\n')
        assert.deepInclude(yield* long.send(), { acknowledged: 1, reported: 1, waiting: null })
        assert.deepStrictEqual(yield* long.cities, ["Lima 1", "Pune 2"])
      })
  )

  it.effect("accounts for each line of any file, over all runs together", () =>
    Effect.gen(function* () {
      const rows = Array.from({ length: 4_000 }, (_, i) =>
        i % 7 === 3 ? `City ${i},warm\n` : i % 11 === 5 ? `City ${i}",${i}\n` : `City ${i},${i}\n`
      )
      const bad = rows.filter((row) => row.includes("warm")).length
      const text = `city,temperature\n${rows.join("")}`
      const { path, send } = yield* sending("a.csv", text.slice(0, 30_011))
      let acknowledged = 0
      let reported = 0
      for (const size of [30_011, 30_012, 45_000, text.length]) {
        writeFileSync(path, text.slice(0, size))
        const sent = yield* send()
        acknowledged += sent.acknowledged
        reported += sent.reported
      }
      assert.deepStrictEqual([acknowledged, reported], [rows.length - bad, bad])
      assert.strictEqual(readFileSync(`${path}.refused.ndjson`, "utf8").trimEnd().split("\n").length, bad)
    })
  )

  it.effect("has nothing to do with an empty file, and rejects one that is not text", () =>
    Effect.gen(function* () {
      const empty = yield* sending("a.txt", "")
      assert.deepInclude(yield* empty.send(), { acknowledged: 0, reported: 0, logged: 0, bytes: 0, waiting: null })
      writeFileSync(empty.path, '\ufeff\n{"city":"Lima","temperature":1}\n')
      assert.deepInclude(yield* empty.send(), { acknowledged: 1 })
      const utf16 = yield* sending("b.csv", Buffer.from("\ufeffcity,temperature\n", "utf16le"))
      assert.match((yield* Effect.flip(utf16.send())).message, /UTF-16; convert it first/)
      assert.deepStrictEqual(readdirSync(dirname(utf16.path)), ["b.csv"])
    })
  )

  it.effect("is rejected in a sentence while another command sends it, but not once that has died", () =>
    Effect.gen(function* () {
      const { path, send } = yield* sending("a.csv", "city,temperature\nLima,1\n")
      const other = lock(`${path}.floe-send.lock`)
      assert.match((yield* Effect.flip(send())).message, /^Another floe send is already sending .*a\.csv; /)
      other.close()
      assert.isTrue(existsSync(`${path}.floe-send.lock`))
      assert.deepInclude(yield* send(), { acknowledged: 1 })
      assert.isFalse(existsSync(`${path}.floe-send.lock`))
    })
  )
})
