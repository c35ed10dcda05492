/** A disk that is really full: the messages, and that everything resumes once there is room. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import { inProcess, programs } from "../support/inProcess.ts"
import { fill, smallDisk } from "../support/smallDisk.ts"
import { poll } from "../support/waiting.ts"

it.live(
  "a full disk is reported as such, without advice to kill the sink; with room, everything resumes",
  () =>
    Effect.gen(function* () {
      const disk = yield* smallDisk(6)
      if (disk === undefined) return
      const data = join(disk, "data")
      const env = { FLOE_DATA: data, FLOE_PORT: "0", FLOE_LOG_FORMAT: "json", FLOE_COMMIT_INTERVAL: "20 millis" }
      const running = Effect.gen(function* () {
        const { url } = Context.get(yield* programs(env), HttpServer)
        return Effect.promise(async () => (await fetch(`${url}/log?city=Oslo&temperature=1`)).status)
      })
      const doctor = Effect.map(inProcess(["doctor"], env), ({ out }) => out)
      const until = (pattern: RegExp) => poll(doctor, (out) => pattern.test(out))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const send = yield* running
          assert.strictEqual(yield* send, 200)
          fill(join(disk, "filler"))
          assert.strictEqual(yield* send, 503)
          const full = yield* until(/^FAIL +sink +The sink \(process \d+\) cannot write/m)
          assert.match(full, /cannot write in the data folder: the disk is full; free some space/)
          assert.match(full, /^FAIL +disk +The disk of \S+ is full: it has 0 MiB of 6 MiB left\.$/m)
          assert.match(full, /^FAIL +server .* accepts no events: .*the disk is full/m)
          assert.notMatch(full, /kill|hangs/)
          const { out } = yield* inProcess(["status"], env)
          assert.match(out, /sink +down .*cannot write: the disk is full/)
        })
      )
      // Restarted on the full disk, they wait until there is room.
      const send = yield* running
      assert.strictEqual(yield* send, 503)
      assert.notMatch(yield* doctor, /permission/)
      rmSync(join(disk, "filler"))
      assert.strictEqual(yield* send, 200)
      yield* until(/^ok +sink/m)
    }).pipe(Effect.scoped),
  90_000
)
