/** A change of a stream that is killed at any moment, with and without the sink that it asked, loses and doubles nothing. */
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { nightly } from "../support/nightly.ts"
import type { Program } from "../support/program.ts"
import { project } from "../support/project.ts"

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
      const one = yield* project("50 millis")
      const write = (version: number) => one.write(module(version))
      const started = Effect.gen(function* () {
        const program = yield* one.start("standalone")
        yield* Effect.promise(() => program.printed(/Floe runs at/))
        return program
      })
      /** Repeats under one key until the server acknowledges it. */
      const acknowledged: Array<Record<string, number>> = []
      const post = (event: Record<string, number>) =>
        Effect.tryPromise(async () => {
          const answer = await one.post("/streams/visits/events", event, { "idempotency-key": `k${event.id}` })
          if (answer.status !== 200) throw new Error(answer.text)
          acknowledged.push(event)
        }).pipe(Effect.retry(Schedule.spaced("50 millis")), Effect.timeout("30 seconds"))

      write(1)
      let program = yield* started
      let id = 0
      for (let version = 2; version <= last; version++) {
        for (let n = 0; n < 5; n++) yield* post({ id: ++id })
        write(version)
        // What the killed one had done by then differs from run to run: nothing, the request, the table, all.
        const apply = yield* one.startFloe("streams", "apply")
        yield* Effect.promise(() => apply.printed(/Applying these changes/))
        for (let n = 0; n < version * 2; n++) yield* post({ id: ++id })
        if (version % 3 === 0) yield* kill(program)
        yield* kill(apply)
        if (version % 3 === 0) {
          const offline = yield* one.floe("streams", "apply")
          assert.strictEqual(offline.code, 0, offline.err)
          program = yield* started
        } else {
          const again = yield* one.floe("streams", "apply")
          assert.strictEqual(again.code, 0, again.err)
        }
        yield* post({ id: ++id, [`c${version}`]: version })
      }
      yield* Effect.promise(() => program.printed(new RegExp(`up to visits/0/${acknowledged.length - 1} `)))
      const columns = ["id", ...Array.from({ length: last - 1 }, (_, i) => `c${i + 2}`)]
      const { out, err } = yield* one.floe(
        "query",
        "--format",
        "json",
        `SELECT ${columns.join(", ")} FROM visits ORDER BY id`
      )
      assert.deepStrictEqual(
        JSON.parse(out),
        acknowledged.map((event) => Object.fromEntries(columns.map((name) => [name, event[name] ?? null]))),
        err
      )
      const described = yield* one.floe("streams", "describe", "visits", "--json")
      assert.strictEqual(JSON.parse(described.out).version, last)
      const audited = yield* one.floe("audit", "--stream", "visits")
      assert.strictEqual(audited.code, 0, audited.err)
    }),
  180_000
)
