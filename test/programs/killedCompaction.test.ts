/** The sink is killed while it merges the files of a typed table, of each of three streams in turn. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { freePort, start } from "../support/program.ts"
import { onDisk, poll } from "../support/waiting.ts"

const names = ["clicks", "orders", "readings"]
/** As many files of one size as the sink merges in a partition that grows. */
const fanIn = 8
const batch = 400

const columns = [
  { name: "id", type: "int", required: true },
  { name: "at", type: "timestamptz", required: true },
  { name: "price", type: "decimal(12,2)", required: false },
  { name: "tags", type: "list", required: false, nullable: true, element: { type: "string" } }
]
const partitionBy = [{ column: "at", transform: "day" }]

const event = (id: number) => ({
  id,
  at: "2026-11-27T10:11:12.000000Z",
  ...(id % 3 === 0 ? {} : { price: `${id}.50` }),
  ...(id % 2 === 0 ? {} : { tags: [`t${id}`, null] })
})

const textOf = ({ id, price, tags }: Readonly<Record<string, unknown>>) =>
  JSON.stringify([Number(id), price === undefined || price === null ? null : Number(price), tags ?? null])

const filesIn = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".parquet"))
    : []

const merges = (table: string) => {
  const hint = join(table, "metadata", "version-hint.text")
  if (!existsSync(hint)) return 0
  const text = readFileSync(join(table, "metadata", `v${readFileSync(hint, "utf8").trim()}.metadata.json`), "utf8")
  return text.split('"replace"').length - 1
}

it.live(
  "each table then holds every acknowledged event once and nothing else",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const data = join(folder, "data")
      const port = yield* freePort
      const declaration = join(folder, "declared.json")
      const streams = names.map((name) => ({ name, columns, key: null, partitionBy }))
      writeFileSync(declaration, JSON.stringify({ format: 1, streams }))
      const env = {
        FLOE_DATA: data,
        FLOE_PORT: String(port),
        FLOE_COMMIT_INTERVAL: "20 millis",
        FLOE_STREAMS: declaration
      }
      const server = yield* start("server", env)
      yield* Effect.promise(() => server.printed(/listens on/))
      let sink = yield* start("sink", env)

      const tableOf = (name: string) => join(data, "warehouse", "default", name)
      const acknowledged = new Map<string, Array<string>>(names.map((name) => [name, []]))
      let id = 0
      const post = Effect.fnUntraced(function* (name: string) {
        const events = Array.from({ length: batch }, () => event(id++))
        const status = yield* Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/streams/${name}/events`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(events)
          })
          return response.status
        })
        assert.strictEqual(status, 200)
        acknowledged.get(name)?.push(...events.map(textOf))
      })
      const committed = (name: string) =>
        Effect.promise(() => sink.printed(new RegExp(`up to ${name}/0/${(acknowledged.get(name)?.length ?? 0) - 1} `)))

      let hits = 0
      for (const name of names) {
        for (let n = 1; n < fanIn; n++) {
          yield* post(name)
          yield* committed(name)
        }
        const files = filesIn(tableOf(name))
        const partition = join(tableOf(name), dirname(files[0] ?? ""))
        yield* post(name)
        // The first new file is that of the commit, the second that of the merge.
        yield* onDisk(
          partition,
          Effect.sync(() => filesIn(partition).length),
          (now) => now >= files.length + 2
        ).pipe(Effect.timeout("20 seconds"))
        sink.signal("SIGKILL")
        assert.strictEqual((yield* Effect.promise(() => sink.ended)).signal, "SIGKILL")
        if (merges(tableOf(name)) === 0) hits++
        sink = yield* start("sink", env)
      }
      assert.isAbove(hits, 0, "a kill came before the merge was committed")

      for (const name of names) {
        yield* poll(
          Effect.sync(() => merges(tableOf(name))),
          (count) => count > 0
        )
        yield* post(name)
        yield* committed(name)
      }
      for (const program of [server, sink]) {
        program.signal("SIGTERM")
        assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
      }
      for (const name of names) {
        const rows = yield* icebirdValues(tableOf(name))
        assert.deepStrictEqual(rows.map(textOf).sort(), acknowledged.get(name)?.sort(), name)
      }
    }).pipe(Effect.scoped),
  90_000
)
