/** `npm start` with a table that is broken: its stream waits, all else goes on, and every command says so. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { built, floe, freePort, run } from "../support/program.ts"
import { exists, poll } from "../support/waiting.ts"

const module = `
import { Column, Stream } from "floe"
import { Schema } from "effect"
export const Clicks = Stream.make("clicks", { schema: Schema.Struct({ id: Column.int }) })
export const Visits = Stream.make("visits", { schema: Schema.Struct({ id: Column.int }) })
`

it.live(
  "a stream whose table is broken waits alone, is named, and continues once the table is repaired or moved away",
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
      writeFileSync(join(cwd, "floe.streams.ts"), module)
      const program = yield* run(process.execPath, [built("standalone")], env, { cwd })
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      yield* Effect.promise(() =>
        program.until((output) => output.includes("The generator of fake weather is off, as streams are declared"))
      )
      let id = 0
      const post = (stream: string) =>
        Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${port}/streams/${stream}/events`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ id: id++ })
          })
          assert.strictEqual(response.status, 200, await response.text())
        })
      const committed = (stream: string, offset: number) =>
        Effect.promise(() => program.printed(new RegExp(`up to ${stream}/0/${offset} `)))
      const tableOf = (stream: string) => join(cwd, "data", "warehouse", "default", stream)
      const ids = (stream: string) =>
        Effect.map(icebirdValues(tableOf(stream)), (rows) => rows.map((row) => Number(row.id)).sort((a, b) => a - b))

      yield* post("clicks")
      yield* post("visits")
      yield* committed("clicks", 0)
      yield* committed("visits", 0)
      const metadata = join(tableOf("clicks"), "metadata", "v1.metadata.json")
      const intact = readFileSync(metadata, "utf8")
      writeFileSync(metadata, "{")
      yield* post("clicks")
      yield* Effect.promise(() => program.printed(/The stream clicks: The table is broken: .* The sink goes on with/))
      yield* post("visits")
      yield* committed("visits", 1)

      const status = yield* floe(["status"], env)
      assert.strictEqual(status.code, 1)
      assert.match(status.err, /^The sink cannot write clicks; run floe doctor to see what to do\.$/m)
      assert.match(status.out, /^ {2}clicks +The table is broken: .*v1\.metadata\.json/m)
      assert.match(status.out, /^ {2}sink +up /m)
      const doctor = yield* floe(["doctor"], env)
      assert.strictEqual(doctor.code, 1)
      assert.match(doctor.out, /^FAIL +sink of clicks +The sink reports for the stream clicks: The table is broken/m)
      assert.match(doctor.out, /^FAIL +table of clicks +The table's metadata cannot be used: .*v1\.metadata\.json/m)
      assert.match(doctor.out, /^ +→ Move the table away\. A sink that runs builds it again from the log/m)
      assert.match(doctor.out, /^ok +sink of visits/m)
      const connector = yield* floe(["connector", "status", "iceberg-sink-clicks"], env)
      assert.match(connector.out, /FAILED/)
      assert.match(
        connector.err,
        /fix the reason given above; the sink then tries again by itself, at most 30 s later\.$/m
      )

      writeFileSync(metadata, intact)
      yield* committed("clicks", 1)
      assert.deepStrictEqual(yield* ids("clicks"), [0, 2])

      const away = join(cwd, "away")
      writeFileSync(join(tableOf("clicks"), "metadata", "v2.metadata.json"), '{"format-version": 2}')
      yield* post("clicks")
      yield* poll(floe(["status", "--json"], env), ({ out }) => /"failed": "The table is broken/.test(out))
      renameSync(tableOf("clicks"), away)
      yield* committed("clicks", 2)
      yield* exists(join(tableOf("clicks"), "metadata", "version-hint.text"))
      assert.deepStrictEqual(yield* ids("clicks"), [0, 2, 4])
      assert.deepStrictEqual(yield* ids("visits"), [1, 3])
      yield* poll(floe(["status"], env), ({ code }) => code === 0)

      const ofWeather = join(tableOf("weather"), "metadata")
      mkdirSync(ofWeather, { recursive: true })
      writeFileSync(join(ofWeather, "v1.metadata.json"), "{")
      const impaired = yield* poll(floe(["doctor"], env), ({ out }) => /^FAIL +sink of weather/m.test(out))
      assert.match(impaired.out, /^ok +sink +The sink runs\.$/m)
      assert.match(impaired.out, /^ok +sink of visits/m)
      rmSync(tableOf("weather"), { recursive: true })
      yield* poll(floe(["status"], env), ({ code }) => code === 0)
      program.signal("SIGTERM")
      assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
    }).pipe(Effect.scoped),
  90_000
)
