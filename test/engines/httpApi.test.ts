/** The HTTP API accepts what its OpenAPI document allows and rejects everything else; schemathesis tests it. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import * as Memory from "../../layers/log/memory/EventLog.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import { Streams } from "../../services/Streams.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { everyType } from "../support/someStreams.ts"
import { missing } from "./engines.ts"

const here = import.meta.dirname
const seeds = [1, 2]
const examples = 60

const schemathesis = (url: string, seed: number, cwd: string) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const config = ["--config-file", join(here, "schemathesis.toml")]
    const bounds = ["--seed", `${seed}`, "--max-examples", `${examples}`, "--no-color"]
    const child = spawn(
      process.env.FLOE_TEST_PYTHON ?? "",
      ["-m", "schemathesis.cli", ...config, "run", `${url}/openapi.json`, ...bounds],
      { cwd, env: { ...process.env, SCHEMATHESIS_HOOKS: "ndjson", PYTHONPATH: here } }
    )
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text))
    }
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const applied = { definition: everyType, version: 1, ids: {}, lastId: 0, appliedAt: 0 }
const recorded = Layer.effectDiscard(Effect.flatMap(Streams, ({ record }) => record(applied)))
const server = HttpServer.at("127.0.0.1", 0).pipe(
  Layer.provide(recorded),
  Layer.provide(MemoryStreams.layer),
  Layer.provide(Memory.layer)
)

layer(server, { excludeTestServices: true })("the HTTP API", (it) => {
  for (const seed of seeds) {
    it.effect(`matches its document, with the seed ${seed}`, () =>
      Effect.gen(function* () {
        assert.isUndefined(missing())
        const { url } = yield* HttpServer
        const { code, output } = yield* schemathesis(url, seed, yield* temporaryFolder)
        assert.strictEqual(code, 0, output.slice(-20_000))
        assert.match(output, /Tested: 8/)
      })
    )
  }
})
