import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { floe, start } from "../support/program.ts"

const Written = Schema.fromJsonString(
  Schema.Struct({
    url: Schema.String,
    host: Schema.String,
    port: Schema.Int,
    processId: Schema.Int,
    logId: Schema.String
  })
)

const Report = Schema.fromJsonString(
  Schema.Struct({
    checks: Schema.Array(
      Schema.Struct({ name: Schema.String, findings: Schema.Array(Schema.Struct({ finding: Schema.String })) })
    )
  })
)
const Status = Schema.fromJsonString(
  Schema.Struct({
    components: Schema.Array(Schema.Struct({ name: Schema.String, state: Schema.String, detail: Schema.String }))
  })
)

/** A server on a free port, which only its data folder records. */
const serving = Effect.gen(function* () {
  const data = join(yield* temporaryFolder, "data")
  const server = yield* start("server", { FLOE_DATA: data, FLOE_PORT: "0" })
  const [, url = ""] = yield* Effect.promise(() => server.printed(/listens on (http:\S+)/))
  const file = join(data, "server.json")
  return { data, server, url, file, env: { FLOE_DATA: data } }
})

const eventsAt = (data: string) =>
  Effect.map(floe(["status", "--json"], { FLOE_DATA: data }), ({ out }) => JSON.parse(out).log?.end ?? 0)

describe("the server of a data folder", () => {
  it.live(
    "floe finds it through the folder, which forgets it after a clean exit and shows that it is dead after a kill",
    () =>
      Effect.gen(function* () {
        const { env, file, server, url } = yield* serving
        const written = Schema.decodeUnknownSync(Written)(readFileSync(file, "utf8"))
        const { hostname, port } = new URL(url)
        assert.deepInclude(written, { url: `${url}/`, host: hostname, port: Number(port), processId: server.pid })
        const health = yield* Effect.promise(() => fetch(`${url}/health`))
        assert.strictEqual(health.headers.get("floe-log"), written.logId)

        const sent = yield* floe(["send", "Oslo", "1"], env)
        assert.deepStrictEqual([sent.code, sent.err], [0, ""])
        const status = Schema.decodeUnknownSync(Status)((yield* floe(["status", "--json"], env)).out)
        assert.deepInclude(
          status.components.find(({ name }) => name === "server"),
          { state: "up", detail: url }
        )

        server.signal("SIGKILL")
        yield* Effect.promise(() => server.ended)
        assert.isTrue(existsSync(file))
        const dead = yield* floe(["send", "Oslo", "2"], env)
        assert.strictEqual(dead.code, 1)
        assert.match(
          dead.err,
          new RegExp(
            `^The logging server of the data folder .* none is running .*process ${server.pid} at ${url}, was killed`
          )
        )

        const again = yield* start("server", { ...env, FLOE_PORT: "0" })
        yield* Effect.promise(() => again.printed(/listens on/))
        assert.strictEqual((yield* floe(["send", "Oslo", "3"], env)).code, 0)
        again.signal("SIGTERM")
        yield* Effect.promise(() => again.ended)
        assert.isFalse(existsSync(file))
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "another server at its address is not mistaken for it, and gets no event",
    () =>
      Effect.gen(function* () {
        const [own, other] = yield* Effect.all([serving, serving], { concurrency: 2 })
        const written = Schema.decodeUnknownSync(Written)(readFileSync(own.file, "utf8"))
        const taken = { ...written, url: other.url }
        writeFileSync(own.file, JSON.stringify(taken))

        const sent = yield* floe(["send", "Oslo", "1"], own.env)
        assert.strictEqual(sent.code, 1)
        assert.match(sent.err, /^The logging server at http:\S+ \(from .*server\.json\) .*: it writes log .*, not log /)
        const { components } = Schema.decodeUnknownSync(Status)((yield* floe(["status", "--json"], own.env)).out)
        assert.strictEqual(components.find(({ name }) => name === "server")?.state, "down")
        const explicit = { ...own.env, FLOE_TARGET: other.url, FLOE_PORT: new URL(other.url).port }
        const { checks } = Schema.decodeUnknownSync(Report)((yield* floe(["doctor", "--json"], explicit)).out)
        const findingOf = (name: string) => checks.find((check) => check.name === name)?.findings[0]?.finding ?? ""
        assert.match(findingOf("server"), /\(from FLOE_TARGET\) does not belong to the data folder/)
        // Its own server runs, so it needs no other port.
        assert.strictEqual(findingOf("port"), "")
        own.server.signal("SIGTERM")
        yield* Effect.promise(() => own.server.ended)
        const stopped = Schema.decodeUnknownSync(Report)((yield* floe(["doctor", "--json"], explicit)).out)
        assert.match(
          stopped.checks.find(({ name }) => name === "port")?.findings[0]?.finding ?? "",
          /a logging server with another log/
        )

        assert.strictEqual(yield* eventsAt(other.data), 0)
        // An explicit target is respected.
        assert.strictEqual((yield* floe(["send", "Oslo", "1"], explicit)).code, 0)
        assert.strictEqual(yield* eventsAt(other.data), 1)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("a generator waits for it, and finds it on whichever port it then listens", () =>
    Effect.gen(function* () {
      const data = join(yield* temporaryFolder, "data")
      const generator = yield* start("generator", { FLOE_DATA: data, FLOE_INTERVAL: "100 millis", FLOE_BATCH: "2" })
      yield* Effect.promise(() => generator.printed(/WARN .*of the data folder .* none is running/))
      const server = yield* start("server", { FLOE_DATA: data, FLOE_PORT: "0" })
      yield* Effect.promise(() => server.printed(/listens on/))
      yield* Effect.promise(() => generator.printed(/answers again[\s\S]*2 of 2 records acknowledged/))
    }).pipe(Effect.scoped)
  )
})
