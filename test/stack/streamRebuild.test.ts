/** A rebuild of a stream's table that is killed while it fills the copy, and again while it puts the copy in place. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { floe, startFloe } from "../support/program.ts"
import { docker } from "./docker.ts"
import { removeStreams } from "./removedStreams.ts"
import { metadataMoves } from "./tablePlace.ts"
import { server, trino, until } from "./weather.ts"

const env = { FLOE_PROFILE: "distributed", FLOE_COMMIT_INTERVAL: "1 second" }
const name = `ends_rebuilt_${process.pid}`
const again = `${name}_again`
const promote = ["rebuild", "--stream", name, "--into", again, "--promote"]

const connectors = "http://localhost:8083/connectors"
const stateOf = async (connector: string) => (await fetch(`${connectors}/${connector}/status`)).text()

const created = Effect.gen(function* () {
  const cwd = yield* temporaryFolder
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      await fetch(`${connectors}/replay-${again}`, { method: "DELETE" })
      await trino(`DROP TABLE IF EXISTS iceberg.default.${again}`)
      await removeStreams([name])
    })
  )
  const stream = `Stream.make("${name}", { schema: Schema.Struct({ id: Column.long, at: Column.timestamptz }), partitionBy: [Partition.day("at")] })`
  const imports = `import { Schema } from "effect"\nimport { Column, Partition, Stream } from "floe"\n`
  writeFileSync(join(cwd, "floe.streams.ts"), `${imports}export const S = ${stream}\n`)
  const { code, err } = yield* floe(["streams", "apply"], env, { cwd })
  assert.strictEqual(code, 0, err)
})

/** The same 100 events under the same key until they are acknowledged; the server takes a new stream within seconds. */
const post = (first: number) =>
  until(
    `the answer to events from ${first}`,
    async () => {
      const events = Array.from({ length: 100 }, (_, i) => ({
        id: first + i,
        at: `2026-11-${10 + (i % 9)}T01:02:03Z`
      }))
      const headers = { "content-type": "application/json", "idempotency-key": `${name}-${first}` }
      const body = JSON.stringify(events)
      return (await fetch(`${server}/streams/${name}/events`, { method: "POST", headers, body })).status
    },
    (status) => status === 200,
    { every: 200 }
  )

const rowsOf = (table: string) => trino(`SELECT count(*), count(DISTINCT id) FROM iceberg.default.${table}`)
const landed = (count: number) =>
  until(
    `${count} rows`,
    () => rowsOf(name),
    (found) => Number(found[0]?.[0]) >= count
  )

/** Killed as soon as `moment` is over. */
const killedAfter = (moment: () => Promise<unknown>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* startFloe(promote, env)
      yield* Effect.promise(moment)
      program.signal("SIGKILL")
      const { signal } = yield* Effect.promise(() => program.ended)
      assert.strictEqual(signal, "SIGKILL", program.output())
    })
  )

/** Its connector is paused again and again, so that the copy cannot be complete. */
const isFilling = async () => {
  const pausing = setInterval(
    () => void fetch(`${connectors}/replay-${again}/pause`, { method: "PUT" }).catch(() => {}),
    100
  )
  try {
    await until(
      "the connector of the rebuild",
      () => stateOf(`replay-${again}`),
      (state) => state.includes('"connector":{"state"'),
      { every: 200 }
    )
  } finally {
    clearInterval(pausing)
  }
}

const isReplaced = async () => {
  const moves = metadataMoves(name)
  await until(
    "both connectors stopped",
    async () => (await stateOf(`iceberg-sink-${name}`)) + (await stateOf(`replay-${again}`)),
    (states) => states.match(/"STOPPED"/g)?.length === 2,
    { every: 100 }
  )
  await moves.next()
  moves.stop()
}

it.live(
  "killed twice, while its table is rebuilt and while it is promoted, the same command has each event once",
  () =>
    Effect.gen(function* () {
      yield* created
      yield* Effect.promise(async () => {
        for (const first of [0, 100, 200]) await post(first)
        await landed(300)
      })
      yield* killedAfter(isFilling)
      yield* Effect.promise(() => post(300))
      yield* killedAfter(isReplaced)
      yield* Effect.promise(() => post(400))
      assert.include(yield* Effect.promise(() => stateOf(`iceberg-sink-${name}`)), '"connector":{"state":"STOPPED"')
      const { code, err } = yield* floe(promote, env)
      assert.strictEqual(code, 0, err)
      yield* Effect.promise(async () => {
        await post(500)
        await landed(600)
        assert.deepStrictEqual(await rowsOf(name), [["600", "600"]])
        assert.notInclude(await (await fetch(connectors)).text(), again)
        assert.notInclude(
          await docker("exec", "kafka", "kafka-topics", "--bootstrap-server", "localhost:9092", "--list"),
          again
        )
      })
      const audited = yield* floe(["audit", "--stream", name], env)
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
    }),
  300_000
)
