/** A change of a stream that is killed at any moment, with and without the sink that it asked, loses and doubles nothing. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { nightly } from "../support/nightly.ts"
import { built, floe, freePort, type Program, run, startFloe } from "../support/program.ts"

/** Version `n` has the columns c2 to c`n`. */
const module = (version: number) => `
import { Column, Partition, Stream } from "floe"
import { Schema } from "effect"
export const Some = Stream.make("visits", { schema: Schema.Struct({
  id: Column.int,
  ${Array.from({ length: version - 1 }, (_, index) => `c${index + 2}: Schema.optionalKey(Column.int)`).join(", ")}
}) })
`

/** With version 3 the programs are killed too. */
const last = nightly ? 7 : 3

const kill = (program: Program) =>
  Effect.promise(() => {
    program.signal("SIGKILL")
    return program.ended
  })

it.live(
  "apply and the programs are killed again and again; each acknowledged event is in the table once, in its columns",
  () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      const port = yield* freePort
      const env = {
        FLOE_DATA: join(cwd, "data"),
        FLOE_PORT: String(port),
        FLOE_INTERVAL: "1 hour",
        FLOE_COMMIT_INTERVAL: "50 millis"
      }
      const write = (version: number) => writeFileSync(join(cwd, "floe.streams.ts"), module(version))
      const started = Effect.gen(function* () {
        const program = yield* run(process.execPath, [built("standalone")], env, { cwd })
        yield* Effect.promise(() => program.printed(/Floe runs at/))
        return program
      })
      /** Repeats under one key until the server acknowledges it. */
      const acknowledged: Array<Record<string, number>> = []
      const post = (event: Record<string, number>) =>
        Effect.tryPromise(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/streams/visits/events`, {
            method: "POST",
            headers: { "content-type": "application/json", "idempotency-key": `k${event.id}` },
            body: JSON.stringify(event)
          })
          if (response.status !== 200) throw new Error(await response.text())
          acknowledged.push(event)
        }).pipe(Effect.retry(Schedule.spaced("50 millis")), Effect.timeout("30 seconds"))

      write(1)
      let program = yield* started
      let id = 0
      for (let version = 2; version <= last; version++) {
        for (let n = 0; n < 5; n++) yield* post({ id: ++id })
        write(version)
        // What the killed one had done by then differs from run to run: nothing, the request, the table, all.
        const apply = yield* startFloe(["streams", "apply"], env, { cwd })
        yield* Effect.promise(() => apply.printed(/Applying these changes/))
        for (let n = 0; n < version * 2; n++) yield* post({ id: ++id })
        if (version % 3 === 0) yield* kill(program)
        yield* kill(apply)
        if (version % 3 === 0) {
          const offline = yield* floe(["streams", "apply"], env, { cwd })
          assert.strictEqual(offline.code, 0, offline.err)
          program = yield* started
        } else {
          const again = yield* floe(["streams", "apply"], env, { cwd })
          assert.strictEqual(again.code, 0, again.err)
        }
        yield* post({ id: ++id, [`c${version}`]: version })
      }
      yield* Effect.promise(() => program.printed(new RegExp(`up to visits/0/${acknowledged.length - 1} `)))
      const columns = ["id", ...Array.from({ length: last - 1 }, (_, i) => `c${i + 2}`)]
      const { out, err } = yield* floe(
        ["query", "--format", "json", `SELECT ${columns.join(", ")} FROM visits ORDER BY id`],
        env
      )
      assert.deepStrictEqual(
        JSON.parse(out),
        acknowledged.map((event) => Object.fromEntries(columns.map((name) => [name, event[name] ?? null]))),
        err
      )
      const described = yield* floe(["streams", "describe", "visits", "--json"], env)
      assert.strictEqual(JSON.parse(described.out).version, last)
      const audited = yield* floe(["audit", "--stream", "visits"], env)
      assert.strictEqual(audited.code, 0, audited.err)
    }),
  180_000
)
