import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { delimiter, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdRows, sorted } from "../support/icebirdReader.ts"
import { freePort, type Program, run, start } from "../support/program.ts"

const table = (data: string) => join(data, "warehouse", "default", "weather")

const printed = (program: Program, pattern: RegExp) => Effect.promise(() => program.printed(pattern))

/** The last offset that a sink has logged as committed. */
const committedUpTo = (output: string) => Number([...output.matchAll(/ up to weather\/0\/(\d+) /g)].at(-1)?.[1] ?? -1)

const url = (program: Program) =>
  Effect.map(printed(program, /(?:listens on|runs at) (http:\/\/127\.0\.0\.1:\d+)/), (match) => match[1] ?? "")

const assertFailsWith = Effect.fnUntraced(function* (program: Program, pattern: RegExp) {
  assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 1, signal: null })
  const sentences = program
    .output()
    .split("\n")
    .filter((line) => line !== "" && !/^\d\d:\d\d:\d\d /.test(line))
  assert.strictEqual(sentences.length, 1, program.output())
  assert.match(sentences[0] ?? "", pattern)
})

const stopped = Effect.fnUntraced(function* (program: Program, signal: NodeJS.Signals = "SIGINT") {
  const began = performance.now()
  program.signal(signal)
  const end = yield* Effect.promise(() => program.ended)
  assert.deepStrictEqual(end, { code: 0, signal: null }, program.output())
  assert.isBelow(performance.now() - began, 5000)
})

const Logged = Schema.Struct({ data: Schema.Struct({ city: Schema.String, ts: Schema.String }) })
const decodeLogged = Schema.decodeUnknownPromise(Logged)

const log = (base: string, city: string) =>
  Effect.promise(async () => {
    const answer = await fetch(`${base}/log?city=${encodeURIComponent(city)}&temperature=1.5`)
    return (await decodeLogged(await answer.json())).data
  })

describe("a program that cannot start reports why in one sentence", () => {
  it.live("a busy port", () =>
    Effect.gen(function* () {
      const FLOE_DATA = yield* temporaryFolder
      const port = yield* freePort
      yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const env = { FLOE_DATA, FLOE_PORT: `${port}` }
      yield* assertFailsWith(yield* start("server", env), new RegExp(`Port ${port} .*in use.*FLOE_PORT`))
      yield* assertFailsWith(yield* start("standalone", env), new RegExp(`Port ${port} .*in use.*FLOE_PORT`))
    })
  )

  it.live("a second instance on the same data", () =>
    Effect.gen(function* () {
      const env = { FLOE_DATA: yield* temporaryFolder, FLOE_PORT: "0" }
      const first = yield* start("standalone", env)
      yield* url(first)
      yield* assertFailsWith(yield* start("server", env), /Another logging server is running on this data/)
      yield* assertFailsWith(yield* start("sink", env), /Another sink is running on this data/)
      yield* assertFailsWith(yield* start("standalone", env), /Another .* is running on this data/)
    })
  )

  it.live("a data folder that cannot be created", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "file")
      writeFileSync(file, "")
      for (const FLOE_DATA of [file, join(file, "data"), ...(existsSync("/proc") ? ["/proc/floe"] : [])]) {
        for (const program of ["server", "sink"]) {
          yield* assertFailsWith(
            yield* start(program, { FLOE_DATA, FLOE_PORT: "0" }),
            /data folder .*cannot be used.*FLOE_DATA/
          )
        }
      }
    })
  )

  it.live("an invalid setting", () =>
    Effect.gen(function* () {
      const FLOE_DATA = yield* temporaryFolder
      yield* assertFailsWith(yield* start("server", { FLOE_DATA, FLOE_PORT: "http" }), /^FLOE_PORT /)
      yield* assertFailsWith(yield* start("generator", { FLOE_INTERVAL: "soon" }), /^FLOE_INTERVAL /)
      yield* assertFailsWith(
        yield* start("sink", { FLOE_DATA, FLOE_COMMIT_INTERVAL: "soon" }),
        /^FLOE_COMMIT_INTERVAL /
      )
      yield* assertFailsWith(yield* start("standalone", { FLOE_DATA, FLOE_PROFILE: "distributed" }), /FLOE_PROFILE/)
    })
  )
})

describe("the programs", () => {
  it.live("start in any order, survive each other's absence, and log when that changes", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const FLOE_DATA = yield* temporaryFolder
      const env = { FLOE_DATA, FLOE_PORT: `${port}` }
      const target = { FLOE_TARGET: `http://127.0.0.1:${port}`, FLOE_INTERVAL: "100 millis", FLOE_BATCH: "5" }
      const sink = yield* start("sink", { FLOE_DATA, FLOE_COMMIT_INTERVAL: "100 millis" })
      const generator = yield* start("generator", target)
      yield* printed(sink, /there is no log yet/)
      yield* printed(generator, /WARN .*nothing listens there/)

      const server = yield* start("server", env)
      yield* printed(generator, /answers again[\s\S]*5 of 5/)
      yield* printed(sink, /committed/)
      server.signal("SIGKILL")
      yield* printed(generator, /answers again[\s\S]*WARN/)
      const again = yield* start("server", env)
      yield* printed(generator, /answers again[\s\S]*WARN[\s\S]*answers again[\s\S]*of 5 records/)

      yield* stopped(generator, "SIGTERM")
      assert.strictEqual(generator.output().match(/WARN/g)?.length, 2, "one line when the state changes")
      yield* stopped(again)
      yield* stopped(sink)
    })
  )

  it.live("standalone fills the table, prints commands that work, drains, and resumes", () =>
    Effect.gen(function* () {
      const data = yield* temporaryFolder
      const env = { FLOE_DATA: data, FLOE_PORT: "0", FLOE_INTERVAL: "300 millis", FLOE_COMMIT_INTERVAL: "200 millis" }
      const began = performance.now()
      const first = yield* start("standalone", env)
      const base = yield* url(first)
      assert.isBelow(performance.now() - began, 8000)

      const query = /^\s*query the table\s+(.*)$/m.exec(first.output())?.[1] ?? ""
      assert.include(query, data)
      // As in a terminal, without the Node that npm scripts run on.
      const path = (process.env.PATH ?? "")
        .split(delimiter)
        .filter((folder) => !folder.includes("node_modules"))
        .join(delimiter)
      const PATH = [path, dirname(process.execPath)].join(delimiter)
      const early = yield* run("sh", ["-c", query], { PATH })
      yield* Effect.promise(() => early.ended)
      assert.match(early.output(), /no table yet|city +\| temperature/, "a sentence or rows, whatever is there by now")

      const curl = /^\s*log a record\s+curl "(.*)"$/m.exec(first.output())?.[1] ?? ""
      assert.isTrue(curl.startsWith(base))
      const answer = yield* Effect.promise(() => fetch(curl))
      assert.strictEqual(answer.status, 200)
      const offset = Number(answer.headers.get("floe-position")?.split("/")[2])
      yield* Effect.promise(() => first.until((output) => committedUpTo(output) >= offset))
      const queried = yield* run("sh", ["-c", query], { PATH })
      assert.deepStrictEqual(yield* Effect.promise(() => queried.ended), { code: 0, signal: null }, queried.output())
      assert.match(queried.output(), /TestCity +\| 75\.5 +\| \d{4}-\d\d-\d\d-\d\d/)

      const last = yield* log(base, "The last one")
      yield* stopped(first)
      assert.deepStrictEqual(
        readdirSync(data).filter((file) => file.endsWith("-wal") || file.endsWith("-shm") || file === "temp"),
        [],
        "the databases are closed"
      )
      const rows = yield* icebirdRows(table(data))
      assert.deepStrictEqual(
        rows.filter(({ city }) => city === "The last one"),
        [{ city: "The last one", temperature: "1.5", ts: last.ts }]
      )

      const second = yield* start("standalone", env)
      yield* printed(second, /committed/)
      yield* stopped(second, "SIGTERM")
      const more = yield* icebirdRows(table(data))
      assert.isAbove(more.length, rows.length)
      assert.includeMembers(sorted(more), sorted(rows))
      assert.strictEqual(more.filter(({ city }) => city === "TestCity").length, 1)
    })
  )

  it.live.each(["standalone", "sink"])("%s rejects the distributed profile before it connects to a broker", (program) =>
    Effect.gen(function* () {
      const rejected = yield* start(program, { FLOE_PROFILE: "distributed", FLOE_KAFKA_BROKERS: "127.0.0.1:2" })
      assert.deepStrictEqual(yield* Effect.promise(() => rejected.ended), { code: 1, signal: null })
      assert.match(rejected.output(), /^This needs the embedded profile, .*docker compose up.*\.\n$/)
    })
  )

  it.live("a generator whose address lacks http:// fails with one sentence instead of retrying forever", () =>
    Effect.gen(function* () {
      const generator = yield* start("generator", { FLOE_TARGET: "localhost:9998" })
      yield* assertFailsWith(generator, /^FLOE_TARGET is invalid: .* http:\/\/ or https:\/\/\.$/)
    })
  )

  it.live("treats two signals at the same moment as one, because npm repeats Ctrl-C", () =>
    Effect.gen(function* () {
      const server = yield* start("server", { FLOE_DATA: yield* temporaryFolder, FLOE_PORT: "0" })
      yield* url(server)
      server.signal("SIGINT")
      yield* stopped(server)
    })
  )

  it.live("ends at once on a second Ctrl-C", () =>
    Effect.gen(function* () {
      const server = yield* start("server", { FLOE_DATA: yield* temporaryFolder, FLOE_PORT: "0" })
      const { port } = new URL(yield* url(server))
      // A request body that never arrives delays the drain.
      const socket = connect(Number(port), "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      socket.on("error", () => {})
      socket.write(
        "POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
      )
      socket.write("Expect: 100-continue\r\n\r\n")
      yield* Effect.promise(() => new Promise((resolve) => socket.once("data", resolve)))
      const began = performance.now()
      server.signal("SIGINT")
      const again = setInterval(() => server.signal("SIGINT"), 100)
      const end = yield* Effect.promise(() => server.ended)
      clearInterval(again)
      assert.deepStrictEqual(end, { code: 130, signal: null })
      assert.isAbove(performance.now() - began, 500)
      assert.isBelow(performance.now() - began, 2500)
    })
  )
})
