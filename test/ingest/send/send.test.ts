import { execFileSync } from "node:child_process"
import { appendFileSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { createServer, type ServerResponse } from "node:http"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { vi } from "vitest"
import { SendState } from "../../../layers/ingest/send/SendState.ts"
import * as EventLogReaderLayer from "../../../layers/log/sqlite/EventLogReader.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { floe, freePort, start, startFloe } from "../../support/program.ts"
import { poll } from "../../support/waiting.ts"

vi.setConfig({ testTimeout: 60_000 })

/** What becomes of the next request instead of being handed on to the server: it is rejected, or its response is lost. */
type Trouble = { readonly at: number } & (
  | { readonly kind: "answer lost"; readonly lost: () => void }
  | { readonly kind: "rejected"; readonly status: number; readonly body: unknown }
)

/** A logging server with a data folder of its own, behind a proxy that can make trouble at the n-th request. */
const serving = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const data = join(folder, "data")
  const port = yield* freePort
  const server = yield* start("server", { FLOE_DATA: data, FLOE_PORT: String(port) })
  yield* Effect.promise(() => server.printed(/listens on/))
  let requests = 0
  const troubles: Array<Trouble> = []
  const answer = async (path: string, headers: Record<string, string>, body: string, response: ServerResponse) => {
    const number = requests++
    const trouble = troubles.find(({ at }) => at === number)
    if (trouble?.kind === "rejected") {
      response.writeHead(trouble.status, { "content-type": "application/json" }).end(JSON.stringify(trouble.body))
      return
    }
    const answered = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body })
    const text = await answered.text()
    if (trouble?.kind === "answer lost") return trouble.lost()
    const repeated = answered.headers.get("floe-repeated")
    response.writeHead(answered.status, repeated === null ? {} : { "floe-repeated": repeated }).end(text)
  }
  const proxyPort = yield* Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const proxy = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const key = request.headers["idempotency-key"]
          const headers = { "content-type": "application/json", "idempotency-key": String(key) }
          answer(request.url ?? "", headers, Buffer.concat(chunks).toString(), response)
        })
      })
      proxy.listen(0, "127.0.0.1", () => {
        const address = proxy.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(
          Effect.succeed({
            port,
            close: () => {
              proxy.closeAllConnections()
              proxy.close()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )
  const events = Effect.flatMap(EventLogReader, (log) =>
    Stream.runCollect(log.read({ partition: 0, offset: 0 }, { until: "end" }))
  ).pipe(Effect.provide(EventLogReaderLayer.layer), Effect.provide(at(data)))
  return {
    folder,
    env: { FLOE_TARGET: `http://127.0.0.1:${proxyPort.port}`, FLOE_DATA: data },
    troubles,
    requests: () => requests,
    /** The cities that are logged, in their order. */
    cities: Effect.map(events, (events) => events.map(({ record }) => record.city))
  }
})

/** A descriptor may be closed while it is looked at. */
const linkOf = (path: string) => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `City ${i}`)
const ndjson = (cities: ReadonlyArray<string>) =>
  cities.map((city) => `${JSON.stringify({ city, temperature: "41.50" })}\n`).join("")

const State = Schema.fromJsonString(SendState)
const changeState = (file: string, change: Partial<SendState>) => {
  const path = `${file}.floe-send.json`
  const state = Schema.decodeUnknownSync(State)(readFileSync(path, "utf8"))
  writeFileSync(path, Schema.encodeSync(State)({ ...state, ...change }))
}

it.live("sends one record, and reports where it was logged", () =>
  Effect.gen(function* () {
    const { env, cities } = yield* serving
    const one = yield* floe(["send", "São Paulo", "-5.50"], env)
    assert.strictEqual(one.code, 0)
    assert.match(one.out, /^Logged at 0\/0 \(partition\/offset\), hour \d{4}-\d\d-\d\d-\d\d\.\n$/)
    const json = yield* floe(["send", "Lima", "1e2", "--json"], env)
    assert.deepInclude(JSON.parse(json.out), {
      city: "Lima",
      temperature: "1e2",
      positions: [{ partition: 0, offset: 1, count: 1 }]
    })
    assert.deepStrictEqual(yield* cities, ["São Paulo", "Lima"])

    const nobody = `http://127.0.0.1:${yield* freePort}`
    const [invalid, alone, both, down] = yield* Effect.all(
      [
        floe(["send", "Oslo", "warm"], env),
        floe(["send", "Oslo"], env),
        floe(["send", "Oslo", "1", "--file", "x"], env),
        floe(["send", "Oslo", "1"], { ...env, FLOE_TARGET: nobody })
      ],
      { concurrency: 2 }
    )
    assert.deepStrictEqual([invalid.code, alone.code, both.code], [2, 2, 2])
    assert.include(invalid.err, "must be a decimal number, for example 72.5")
    assert.strictEqual(down.code, 1)
    assert.strictEqual(
      down.err,
      `The logging server at ${nobody} (from FLOE_TARGET) is unavailable: nothing listens there.\n`
    )
  }).pipe(Effect.scoped)
)

it.live(
  "a file whose send is killed after the server has logged a batch, and before that is recorded, is logged once",
  () =>
    Effect.gen(function* () {
      const { folder, env, cities, troubles } = yield* serving
      const file = join(folder, "readings.ndjson")
      const all = names(4500)
      // A rejected line in the batch whose answer is lost, and one before it.
      const text = ndjson(all).split("\n")
      text.splice(2500, 0, "refused 2")
      text.splice(10, 0, "refused 1")
      writeFileSync(file, text.join("\n"))
      const lost = Promise.withResolvers<void>()
      troubles.push({ at: 2, kind: "answer lost", lost: lost.resolve })
      const killed = yield* startFloe(["send", "--file", file], env)
      yield* Effect.promise(() => lost.promise)
      killed.signal("SIGKILL")
      yield* Effect.promise(() => killed.ended)
      // As if it had died a moment later, when the batch was reported on and that was not noted yet.
      appendFileSync(`${file}.refused.ndjson`, '{"line":2502}\n')
      const again = yield* floe(["send", "--file", file, "--json"], env)
      assert.deepStrictEqual(yield* cities, all)
      assert.strictEqual(again.code, 1)
      assert.deepInclude(JSON.parse(again.out), { repeated: 999, logged: 4500, refused: 2 })
      const report = readFileSync(`${file}.refused.ndjson`, "utf8").trimEnd().split("\n")
      assert.deepStrictEqual(
        report.map((line) => JSON.parse(line)),
        [
          { line: 11, reason: "it is not valid JSON", text: "refused 1" },
          { line: 2502, reason: "it is not valid JSON", text: "refused 2" }
        ]
      )
    }).pipe(Effect.scoped)
)

it.live("Ctrl-C interrupts a send, and the same command resumes it as announced", () =>
  Effect.gen(function* () {
    const { folder, env, cities, requests, troubles } = yield* serving
    const file = join(folder, "readings.ndjson")
    writeFileSync(file, ndjson(names(1500)))
    const brokenOff = Effect.fnUntraced(function* (...flags: ReadonlyArray<string>) {
      const lost = Promise.withResolvers<void>()
      troubles.push({ at: requests() + 1, kind: "answer lost", lost: lost.resolve })
      const sending = yield* startFloe(["send", "--file", file, ...flags], env)
      yield* Effect.promise(() => lost.promise)
      sending.signal("SIGINT")
      assert.strictEqual((yield* Effect.promise(() => sending.ended)).code, 130)
      return sending.output()
    })
    assert.strictEqual(
      yield* brokenOff(),
      "Interrupted after 1,000 lines were acknowledged; run the same command to resume. Nothing is logged twice.\n"
    )
    assert.strictEqual((yield* floe(["send", "--file", file], env)).code, 0)
    assert.deepStrictEqual(yield* cities, names(1500))
    assert.include(yield* brokenOff("--again"), "run the same command without --again to resume")
    assert.strictEqual((yield* floe(["send", "--file", file], env)).code, 0)
    assert.deepStrictEqual(yield* cities, [...names(1500), ...names(1500)])
  }).pipe(Effect.scoped)
)

it.live("a file is sent once: added lines are sent, a lost state duplicates nothing, --again sends all", () =>
  Effect.gen(function* () {
    const { folder, env, cities, requests } = yield* serving
    const file = join(folder, "readings.ndjson")
    const all = names(2500)
    writeFileSync(file, ndjson(all.slice(0, 1200)))
    const send = (...flags: ReadonlyArray<string>) => floe(["send", "--file", file, ...flags], env)

    const first = yield* send()
    assert.deepStrictEqual([first.code, first.err], [0, ""])
    assert.match(first.out, /^1,200 lines: 1,200 acknowledged, 0 reported, in /)
    const before = requests()
    const nothing = yield* send()
    assert.strictEqual(nothing.code, 0)
    assert.match(nothing.out, /^There is nothing to send: /)
    assert.strictEqual(requests(), before)

    rmSync(`${file}.floe-send.json`)
    const lost = yield* send("--json")
    assert.deepInclude(JSON.parse(lost.out), { acknowledged: 1200, repeated: 1200 })

    appendFileSync(file, ndjson(all.slice(1200)))
    assert.match(
      (yield* send()).out,
      /^1,300 lines: 1,300 acknowledged, 0 reported, .* 2,500 lines of the file are now in the log\.\n$/
    )
    assert.deepStrictEqual(yield* cities, all)

    const whole = yield* send("--again", "--json")
    assert.deepInclude(JSON.parse(whole.out), { acknowledged: 2500, repeated: 0 })
  }).pipe(Effect.scoped)
)

it.live("does not resume a changed file, or a batch whose outcome can no longer be known", () =>
  Effect.gen(function* () {
    const { folder, env, cities } = yield* serving
    const file = join(folder, "readings.csv")
    const all = names(1500)
    const csv = (cities: ReadonlyArray<string>) => `city,temperature\n${cities.map((city) => `${city},1\n`).join("")}`
    const send = (...flags: ReadonlyArray<string>) => floe(["send", "--file", file, ...flags], env)
    writeFileSync(file, csv(all))
    assert.strictEqual((yield* send()).code, 0)

    for (const at of [0, Date.now() + 2 * 3_600_000]) {
      changeState(file, { acknowledged: false, at })
      const doubtful = yield* send()
      assert.strictEqual(doubtful.code, 1)
      assert.match(doubtful.err, /more than 23 hours ago, or the clock was set back.*--doubtful skip.*--doubtful send/s)
    }
    const skipped = yield* send("--doubtful", "skip")
    assert.match(skipped.out, /^There is nothing to send/)
    assert.deepStrictEqual(yield* cities, all)

    writeFileSync(file, csv(["Town 0", ...all.slice(1)]))
    const changed = yield* send()
    assert.strictEqual(changed.code, 1)
    assert.match(changed.err, /has changed in the part that was already sent.*--again/)
    writeFileSync(file, csv(all.slice(0, 10)))
    assert.match((yield* send()).err, /has changed in the part that was already sent/)
    const elsewhere = yield* floe(["send", "--file", file], { ...env, FLOE_TARGET: "http://127.0.0.1:9" })
    assert.match(elsewhere.err, /was sent to http:.* before; set FLOE_DATA or FLOE_TARGET/)
    assert.deepStrictEqual(yield* cities, all)
  }).pipe(Effect.scoped)
)

it.live("leaves out what the server rejects by name, and sends the rest", () =>
  Effect.gen(function* () {
    const { folder, env, cities, troubles } = yield* serving
    const file = join(folder, "readings.ndjson")
    writeFileSync(file, ndjson(["Oslo", "Lima", "Pune"]))
    const errors = [{ field: "[1].city", message: "is not known here" }]
    const large = [{ field: "[1]", message: "must take at most 70 bytes in the log" }]
    troubles.push(
      { at: 0, kind: "rejected", status: 400, body: { status: "error", message: "No.", errors } },
      { at: 1, kind: "rejected", status: 413, body: { status: "error", message: "No.", errors: large } }
    )
    const sent = yield* floe(["send", "--file", file], env)
    assert.strictEqual(sent.code, 1)
    assert.match(sent.err, /^2 lines were rejected; .*readings\.ndjson\.refused\.ndjson lists them/)
    const reported = readFileSync(`${file}.refused.ndjson`, "utf8").trimEnd().split("\n")
    assert.deepStrictEqual(
      reported.map((line) => JSON.parse(line)),
      [
        { line: 2, reason: "city is not known here", text: '{"city":"Lima","temperature":"41.50"}' },
        { line: 3, reason: "it must take at most 70 bytes in the log", text: '{"city":"Pune","temperature":"41.50"}' }
      ]
    )
    assert.deepStrictEqual(yield* cities, ["Oslo"])
  }).pipe(Effect.scoped)
)

it.live("reports what is wrong with a file, and leaves nothing beside it", () =>
  Effect.gen(function* () {
    const { folder, env, requests } = yield* serving
    const file = join(folder, "readings.csv")
    writeFileSync(file, "city,temp\nOslo,1\n")
    const [missing, header, isFolder] = yield* Effect.all(
      [
        floe(["send", "--file", join(folder, "none.csv")], env),
        floe(["send", "--file", file], env),
        floe(["send", "--file", folder], env)
      ],
      { concurrency: 2 }
    )
    assert.deepStrictEqual([missing.code, header.code, isFolder.code], [1, 1, 1])
    assert.match(missing.err, /none\.csv cannot be sent: there is no such file\.\n$/)
    assert.match(header.err, /readings\.csv cannot be sent: its first line names "temp"/)
    assert.match(isFolder.err, /cannot be sent: it is a folder\.\n$/)
    assert.isFalse(existsSync(`${file}.floe-send.json`))
    assert.strictEqual(requests(), 0)
  }).pipe(Effect.scoped)
)

it.live(
  "reads standard input and other pipes to their end, also without a last line end, and reports on standard error",
  () =>
    Effect.gen(function* () {
      const { folder, env, cities, requests, troubles } = yield* serving
      const csv = 'city,temperature\nOslo,1\nLima 24",x\nPune,2'
      const piped = yield* floe(["send", "--file", "-"], env, { input: csv })
      assert.strictEqual(piped.code, 1)
      assert.match(piped.out, /^3 lines: 2 acknowledged, 1 reported, in /)
      const [reported = "", last] = piped.err.split("\n")
      assert.deepStrictEqual(JSON.parse(reported), {
        line: 3,
        reason: "temperature must be a decimal number, for example 72.5",
        text: 'Lima 24",x'
      })
      assert.strictEqual(last, "1 line was rejected; the lines and the reasons are listed above.")
      const named = yield* floe(["send", "--file", "/dev/stdin", "--json"], env, { input: ndjson(["Kiel"]).trimEnd() })
      assert.deepInclude(JSON.parse(named.out), { acknowledged: 1, reported: 0, waiting: null, report: null })
      const fifo = join(folder, "fifo")
      execFileSync("mkfifo", [fifo])
      const [fromFifo] = yield* Effect.all(
        [floe(["send", "--file", fifo], env), Effect.promise(() => writeFile(fifo, ndjson(["Rome", "Bern"])))],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([fromFifo.code, fromFifo.err], [0, ""])
      assert.deepStrictEqual(yield* cities, ["Oslo", "Pune", "Kiel", "Rome", "Bern"])
      troubles.push({ at: requests() + 1, kind: "rejected", status: 403, body: { status: "error", message: "No." } })
      const cut = yield* floe(["send", "--file", "-"], env, { input: ndjson(names(1500)) })
      assert.strictEqual(cut.code, 1)
      assert.match(cut.err, /^Interrupted after 1,000 lines were acknowledged; some later lines may be logged too\./)
      assert.lengthOf(yield* cities, 1005)
    }).pipe(Effect.scoped)
)

it.live.skipIf(process.platform !== "linux")("Ctrl-C ends it also where nobody writes into the pipe", () =>
  Effect.gen(function* () {
    const fifo = join(yield* temporaryFolder, "fifo")
    execFileSync("mkfifo", [fifo])
    const sending = yield* startFloe(["send", "--file", fifo], { FLOE_TARGET: "http://127.0.0.1:9" })
    const descriptors = `/proc/${sending.pid}/fd`
    const isOpen = () => readdirSync(descriptors).some((fd) => linkOf(join(descriptors, fd)) === fifo)
    yield* poll(Effect.sync(isOpen), Boolean)
    sending.signal("SIGINT")
    assert.strictEqual((yield* Effect.promise(() => sending.ended)).code, 130)
  }).pipe(Effect.scoped)
)

it.live("reports that a file is empty, half-written, or being sent by another command", () =>
  Effect.gen(function* () {
    const { folder, env, cities, troubles } = yield* serving
    const file = join(folder, "readings.txt")
    const send = (...flags: ReadonlyArray<string>) => floe(["send", "--file", file, ...flags], env)
    writeFileSync(file, "")
    const empty = yield* send()
    assert.deepStrictEqual([empty.code, empty.out], [0, `Nothing was sent: ${file} is empty.\n`])
    writeFileSync(file, "city,temperature\nLima,1\nOslo,4")
    const half = yield* send()
    assert.strictEqual(half.code, 1)
    assert.match(half.out, /^1 line: 1 acknowledged, 0 reported, in /)
    assert.match(
      half.err,
      /^The last line of .*readings\.txt, line 3, has no newline .* or use --complete if it already is\.\n$/
    )
    appendFileSync(file, "1.5")
    assert.match(
      (yield* send("--complete")).out,
      /^1 line: 1 acknowledged, .* 2 lines of the file are now in the log\.\n$/
    )
    assert.match((yield* send()).out, /^There is nothing to send: all of .* was already sent, 2 lines\.\n$/)
    assert.deepStrictEqual(yield* cities, ["Lima", "Oslo"])

    const both = join(folder, "both.csv")
    writeFileSync(both, "city,temperature\nBern,1\n")
    const held = Promise.withResolvers<void>()
    troubles.push({ at: 2, kind: "answer lost", lost: held.resolve })
    const first = yield* startFloe(["send", "--file", both], env)
    yield* Effect.promise(() => held.promise)
    const second = yield* floe(["send", "--file", both], env)
    assert.deepStrictEqual(
      [second.code, second.err],
      [1, `Another floe send is already sending ${both}; wait until it has finished.\n`]
    )
    first.signal("SIGKILL")
    yield* Effect.promise(() => first.ended)
    assert.strictEqual((yield* floe(["send", "--file", both], env)).code, 0)
    assert.deepStrictEqual(yield* cities, ["Lima", "Oslo", "Bern"])
  }).pipe(Effect.scoped)
)
