/** A change of a stream that died after the table had it: programs name it, and a backup of that moment can be restored. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { floe, freePort, start } from "../support/program.ts"
import { poll } from "../support/waiting.ts"

const declared = (more: ReadonlyArray<string>) =>
  JSON.stringify({
    format: 1,
    streams: [
      {
        name: "visits",
        columns: [
          { name: "id", type: "int", required: true },
          ...more.map((name) => ({ name, type: "string", required: false }))
        ],
        key: null,
        partitionBy: []
      }
    ]
  })

it.live(
  "is named by the server and the sink that start then, is in a backup, and is completed after the restore",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const port = yield* freePort
      const declaration = join(folder, "declared.json")
      const env = (data: string) => ({
        FLOE_DATA: join(folder, data),
        FLOE_PORT: String(port),
        FLOE_COMMIT_INTERVAL: "50 millis",
        FLOE_STREAMS: declaration
      })
      const post = (event: unknown) =>
        Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/streams/visits/events`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(event)
          })
          assert.strictEqual(response.status, 200, await response.text())
        })
      /** Server and sink on this data, while `use` runs. */
      const running = <A, E, R>(data: string, use: (output: () => string) => Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const server = yield* start("server", env(data))
          yield* Effect.promise(() => server.printed(/listens on/))
          const sink = yield* start("sink", env(data))
          yield* Effect.promise(() => sink.printed(/The sink writes/))
          yield* use(() => server.output() + sink.output())
          for (const program of [server, sink]) {
            program.signal("SIGTERM")
            assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
          }
        }).pipe(Effect.scoped)
      const rows = (data: string) => icebirdValues(join(folder, data, "warehouse", "default", "visits"))
      const sentence =
        "A change of the stream visits to version 2 stopped after its table had it, and version 1 is still in force; run floe streams apply to complete it."

      /** By each of the two, once. */
      const named = (output: () => string) => poll(Effect.sync(output), (text) => text.split(sentence).length - 1 === 2)

      writeFileSync(declaration, declared([]))
      yield* running("data", () => post({ id: 1 }))
      writeFileSync(declaration, declared(["note"]))
      const writing = new DatabaseSync(join(folder, "data", "log.db"))
      writing.exec("BEGIN IMMEDIATE")
      assert.strictEqual((yield* floe(["streams", "apply"], env("data"))).code, 1)
      writing.close()

      writeFileSync(declaration, declared([]))
      yield* running("data", (output) =>
        Effect.gen(function* () {
          yield* named(output)
          yield* post({ id: 2 })
          const backup = yield* floe(["backup", join(folder, "backup")], env("data"))
          assert.strictEqual(backup.code, 0, backup.err)
          yield* post({ id: 3 })
        })
      )

      const restored = yield* floe(["restore", join(folder, "backup")], env("restored"))
      assert.strictEqual(restored.code, 0, restored.err)
      yield* running("restored", (output) =>
        Effect.gen(function* () {
          yield* named(output)
          yield* post({ id: 4 })
          writeFileSync(declaration, declared(["note"]))
          const applied = yield* floe(["streams", "apply"], env("restored"))
          assert.strictEqual(applied.code, 0, applied.err)
          assert.match((yield* floe(["streams", "list"], env("restored"))).out, /visits +\| +2 /)
        })
      )
      yield* running("restored", (output) =>
        Effect.gen(function* () {
          assert.notInclude(output(), "A change of the stream")
          yield* post({ id: 5, note: "new" })
        })
      )
      const byId = (values: ReadonlyArray<Record<string, unknown>>) =>
        values.map(({ id, note }) => [id, note ?? null]).sort(([a], [b]) => Number(a) - Number(b))
      assert.deepStrictEqual(byId(yield* rows("restored")), [
        [1, null],
        [2, null],
        [4, null],
        [5, "new"]
      ])
      assert.deepStrictEqual(byId(yield* rows("data")), [
        [1, null],
        [2, null],
        [3, null]
      ])
      const audit = yield* floe(["audit", "--stream", "visits"], env("restored"))
      assert.strictEqual(audit.code, 0, audit.err)
    }),
  120_000
)
