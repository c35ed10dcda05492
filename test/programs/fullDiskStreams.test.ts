/** A disk that is really full, with several streams: none loses or doubles an event, and all resume by themselves. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { Streams } from "../../services/Streams.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { inProcess, programs } from "../support/inProcess.ts"
import { fill, smallDisk } from "../support/smallDisk.ts"
import { applied } from "../support/typedStream.ts"
import { poll } from "../support/waiting.ts"

const names = ["clicks", "orders", "readings"]

it.live(
  "each of them rejects events while the disk is full, and has what it acknowledged once there is room",
  () =>
    Effect.gen(function* () {
      const disk = yield* smallDisk(8)
      if (disk === undefined) return
      const data = join(disk, "data")
      const env = { FLOE_DATA: data, FLOE_PORT: "0", FLOE_LOG_FORMAT: "json", FLOE_COMMIT_INTERVAL: "20 millis" }
      const { url } = Context.get(yield* programs(env), HttpServer)
      const columns = [{ name: "id", type: "int", required: true }] as const
      yield* Effect.flatMap(Streams, ({ record }) =>
        Effect.forEach(names, (name) => record(applied(name, columns)))
      ).pipe(Effect.provide(StreamsLayer.layer.pipe(Layer.provide(at(data)))))
      const acknowledged = new Map<string, Array<number>>(names.map((name) => [name, []]))
      let id = 0
      const post = (name: string) =>
        Effect.promise(async () => {
          const event = { id: id++ }
          const response = await fetch(`${url}/streams/${name}/events`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(event)
          })
          if (response.status === 200) acknowledged.get(name)?.push(event.id)
          return response.status
        })
      const all = (status: number) =>
        Effect.forEach(names, (name) => poll(post(name), (answered) => answered === status), { discard: true })
      const inTable = (name: string) =>
        icebirdValues(join(data, "warehouse", "default", name)).pipe(
          Effect.map((rows) => rows.map(({ id }) => Number(id)).sort((a, b) => a - b)),
          Effect.catchCause(() => Effect.succeed([]))
        )

      yield* all(200)
      fill(join(disk, "filler"))
      yield* all(503)
      const full = yield* poll(
        Effect.map(inProcess(["doctor"], env), ({ out }) => out),
        (out) => /^FAIL +disk /m.test(out)
      )
      assert.notMatch(full, /kill|hangs/)
      rmSync(join(disk, "filler"))
      yield* all(200)
      for (const name of names) {
        const expected = acknowledged.get(name) ?? []
        const rows = yield* poll(inTable(name), ({ length }) => length >= expected.length)
        assert.deepStrictEqual(rows, expected, name)
        const audit = yield* inProcess(["audit", "--stream", name], env)
        assert.strictEqual(audit.code, 0, audit.err)
      }
    }).pipe(Effect.scoped),
  90_000
)
