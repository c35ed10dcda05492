import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as ConnectorLayer from "../../../layers/sink/connect/Connector.ts"
import { Connector } from "../../../services/Connector.ts"
import recorded from "../../recorded/connect.json" with { type: "json" }
import { type Answer, type Request, serving } from "../../support/httpService.ts"

const config = { "connector.class": "FileStreamSink", "tasks.max": "1", topics: "t", file: "/tmp/out" }

const at = (base: string) => ConnectorLayer.at(new URL(base))
const using = <A, E>(base: string, use: (connector: Connector["Service"]) => Effect.Effect<A, E>) =>
  Effect.provide(Connector.use(use), at(base))

/** Answers by method and path; a list is answered one after the other. */
const script = (answers: Record<string, Answer | ReadonlyArray<Answer>>) => {
  const asked = new Map<string, number>()
  return ({ method, url }: Request) => {
    const key = `${method} ${url}`
    const times = asked.get(key) ?? 0
    asked.set(key, times + 1)
    const found = answers[key]
    return (found !== undefined && "status" in found ? found : found?.[times]) ?? { status: 500, body: `no ${key}` }
  }
}

const validatePath = "PUT /connector-plugins/FileStreamSink/config/validate"
const configPath = "/connectors/x-a/config"

describe("Kafka Connect", () => {
  it.effect("registers after validating: creates, updates, and leaves alone what is the same", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(
        script({
          [validatePath]: recorded.valid,
          [`GET ${configPath}`]: [recorded.noConfig, recorded.config, recorded.config],
          [`PUT ${configPath}`]: recorded.created
        })
      )
      const register = (more: Record<string, string> = {}) =>
        using(base, (connector) => connector.register("x-a", { ...config, ...more }))
      assert.strictEqual(yield* register(), "created")
      const put = seen.at(-1)
      assert.deepStrictEqual(JSON.parse(put?.body ?? ""), { ...config, name: "x-a" })
      assert.strictEqual(put?.headers["content-type"], "application/json")
      assert.strictEqual(yield* register({ file: "/tmp/other" }), "updated")
      assert.strictEqual(yield* register(), "unchanged")
      assert.strictEqual(seen.filter(({ method, url }) => method === "PUT" && url === configPath).length, 2)
    })
  )

  it.effect("shows Connect's own messages by field, and registers nothing", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(script({ [validatePath]: recorded.invalid }))
      const error = yield* Effect.flip(using(base, (connector) => connector.register("x-a", config)))
      assert.strictEqual(error._tag, "ConnectorInvalid")
      assert.deepStrictEqual(error._tag === "ConnectorInvalid" ? error.errors : [], [
        {
          field: "tasks.max",
          messages: [
            "Invalid value abc for configuration tasks.max: Not a number of type INT",
            "Invalid value null for configuration tasks.max: Value must be non-null"
          ]
        },
        {
          field: "key.converter",
          messages: [
            "Invalid value no.such.Class for configuration key.converter: Class no.such.Class could not be found."
          ]
        }
      ])
      assert.include(error.message, "\n  tasks.max: Invalid value abc for configuration tasks.max")
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect("a class that is not installed is an invalid field too", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(script({ "PUT /connector-plugins/no.Such/config/validate": recorded.noClass }))
      const errors = yield* using(base, (connector) => connector.validate("x-a", { "connector.class": "no.Such" }))
      assert.deepStrictEqual(errors, [
        {
          field: "connector.class",
          messages: ["Failed to find any class that implements Connector and which name matches no.Such"]
        }
      ])
      assert.deepStrictEqual(yield* using(base, (connector) => connector.validate("x-a", {})), [
        { field: "connector.class", messages: ["is missing"] }
      ])
    })
  )

  it.live("tries again while the workers rebalance", () =>
    Effect.gen(function* () {
      const path = "/connectors/x-a/restart?includeTasks=true&onlyFailed=true"
      const { base, seen } = yield* serving(
        script({ [`POST ${path}`]: [recorded.conflict, recorded.rebalancing, recorded.restarted] })
      )
      yield* using(base, (connector) => connector.restart("x-a", { onlyFailed: true }))
      assert.deepStrictEqual(
        seen.map(({ url }) => url),
        [path, path, path]
      )
    })
  )

  it.effect("reports the states of the connector and its tasks, with traces", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(script({ "GET /connectors/x-a/status": recorded.failed }))
      const status = yield* using(base, (connector) => connector.status("x-a"))
      assert.deepStrictEqual(status.connector, { state: "RUNNING", worker: "connect:8083", trace: null })
      const [task] = status.tasks
      assert.deepStrictEqual([status.tasks.length, task?.id, task?.state], [1, 0, "FAILED"])
      assert.include(task?.trace ?? "", "Couldn't find or create file '/no/such/folder/f'")
    })
  )

  it.effect("lists the names of all connectors", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(
        script({ "GET /connectors": { status: 200, body: '["iceberg-sink","replay-a"]' } })
      )
      assert.deepStrictEqual(yield* using(base, ({ names }) => names), ["iceberg-sink", "replay-a"])
    })
  )

  it.effect("distinguishes a missing connector from one that has no status yet", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(
        script({
          "GET /connectors/x-a/status": recorded.noStatus,
          "GET /connectors/x-a/config": recorded.config,
          "GET /connectors/none/status": recorded.noStatus,
          "GET /connectors/none/config": recorded.noConfig,
          "POST /connectors/x-a/tasks/7/restart": recorded.noTask
        })
      )
      const young = yield* using(base, (connector) => connector.status("x-a"))
      assert.deepStrictEqual([young.connector.state, young.tasks], ["UNASSIGNED", []])
      const none = yield* Effect.flip(using(base, (connector) => connector.status("none")))
      assert.strictEqual(none.message, "There is no connector none; create it with floe connector register.")
      const task = yield* Effect.flip(using(base, (connector) => connector.restartTask("x-a", 7)))
      assert.strictEqual(task.message, "The connector x-a has no task 7; floe connector status lists them.")
    })
  )

  it.effect("pauses, resumes, restarts and deletes, whatever characters a name has", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* serving(() => ({ status: 202, body: "" }))
      yield* using(base, (connector) =>
        Effect.all([
          connector.pause("a/b c"),
          connector.resume("a/b c"),
          connector.restart("a/b c"),
          connector.restartTask("a/b c", 0),
          connector.remove("a/b c")
        ])
      )
      assert.deepStrictEqual(
        seen.map(({ method, url }) => `${method} ${url}`),
        [
          "PUT /connectors/a%2Fb%20c/pause",
          "PUT /connectors/a%2Fb%20c/resume",
          "POST /connectors/a%2Fb%20c/restart?includeTasks=true&onlyFailed=false",
          "POST /connectors/a%2Fb%20c/tasks/0/restart",
          "DELETE /connectors/a%2Fb%20c"
        ]
      )
    })
  )

  it.effect("gives up on a request that hangs, and reports that a password is required", () =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const { base } = yield* serving(() => void Deferred.doneUnsafe(arrived, Effect.void))
      const fiber = yield* Effect.forkChild(Effect.flip(using(base, (connector) => connector.pause("x-a"))))
      yield* Deferred.await(arrived)
      yield* TestClock.adjust("25 seconds")
      const hung = yield* Fiber.join(fiber)
      assert.strictEqual(hung._tag, "ConnectUnavailable")
      assert.include(hung.message, `${base} did not answer within 25 seconds; check its log`)
      const locked = yield* serving(() => ({ status: 401, body: "User cannot access the resource." }))
      const rejected = yield* Effect.flip(using(locked.base, (connector) => connector.status("x-a")))
      assert.strictEqual(rejected._tag, "ConnectRejected")
      assert.include(rejected.message, "Kafka Connect rejected the request (status, 401)")
      assert.include(rejected.message, "requires a password, and Floe sends none")
    })
  )

  it.effect("reports a starting server, another service, and that nothing listens", () =>
    Effect.gen(function* () {
      const starting = yield* serving(() => recorded.starting)
      const early = yield* Effect.flip(using(starting.base, (connector) => connector.status("x-a")))
      assert.strictEqual(early._tag, "ConnectUnavailable")
      assert.include(early.message, "is still starting or not Kafka Connect (404)")
      const other = yield* serving(() => ({ status: 200, body: '{"status":"healthy"}' }))
      const wrong = yield* Effect.flip(using(other.base, (connector) => connector.status("x-a")))
      assert.strictEqual(wrong._tag, "ConnectUnavailable")
      assert.include(wrong.message, "is not Kafka Connect (200); set FLOE_CONNECT_URL")
      const { base, close } = yield* serving(() => undefined)
      close()
      const nobody = yield* Effect.flip(using(base, (connector) => connector.status("x-a")))
      assert.include(
        nobody.message,
        `nothing answers at ${base} (nothing listens there); start it, or set FLOE_CONNECT_URL`
      )
    })
  )
})
