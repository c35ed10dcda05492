/** Programs started and ended by npm, a shell pipe and nohup. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { built, run, start } from "../support/program.ts"

const Address = Schema.fromJsonString(Schema.Struct({ processId: Schema.Int }))

const serverOf = (data: string) =>
  Effect.try(() => Schema.decodeUnknownSync(Address)(readFileSync(join(data, "server.json"), "utf8")).processId).pipe(
    Effect.retry(Schedule.spaced("20 millis"))
  )

const isAlive = (processId: number) => {
  try {
    process.kill(processId, 0)
    return true
  } catch {
    return false
  }
}

const gone = (processId: number) =>
  Effect.suspend(() => (isAlive(processId) ? Effect.fail("alive") : Effect.void)).pipe(
    Effect.retry(Schedule.spaced("20 millis"))
  )

const eventsIn = (data: string) => {
  const log = new DatabaseSync(join(data, "log.db"), { readOnly: true })
  try {
    return Number(log.prepare("SELECT count(*) AS events FROM log").get()?.events)
  } finally {
    log.close()
  }
}

/** Files that a program leaves after an unclean exit. */
const leftovers = (data: string) => readdirSync(data).filter((name) => name === "server.json" || name.endsWith("-wal"))

const settings = (data: string) => ({ FLOE_DATA: data, FLOE_PORT: "0", FLOE_INTERVAL: "200 millis" })

const signals = ["SIGTERM", "SIGINT", "SIGKILL", "SIGHUP"] as const

it.live(
  "npm start leaves no server behind, however npm ends, and loses no acknowledged event",
  () =>
    Effect.forEach(
      signals,
      Effect.fnUntraced(function* (signal) {
        const data = join(yield* temporaryFolder, "data")
        const npm = yield* run("npm", ["start"], settings(data))
        yield* Effect.promise(() => npm.printed(/10 in all/))
        const server = yield* serverOf(data)
        assert.notStrictEqual(server, npm.pid)
        npm.signal(signal)
        yield* gone(server)
        yield* Effect.promise(() => npm.ended)
        assert.deepStrictEqual(leftovers(data), [], `${signal}: ${npm.output()}`)
        const acknowledged = [...npm.output().matchAll(/(\d+) in all/g)].at(-1)?.[1]
        assert.isAtLeast(eventsIn(data), Number(acknowledged))
      }),
      { concurrency: 4 }
    ).pipe(Effect.scoped),
  60_000
)

describe("a program", () => {
  it.live("ends cleanly and silently when its output pipe is closed", () =>
    Effect.gen(function* () {
      const data = join(yield* temporaryFolder, "data")
      const shell = yield* run(
        "bash",
        ["-c", `"$0" "$1" | true; echo "code \${PIPESTATUS[0]}"`, process.execPath, built("standalone")],
        settings(data)
      )
      assert.deepStrictEqual(yield* Effect.promise(() => shell.ended), { code: 0, signal: null })
      assert.strictEqual(shell.output(), "code 0\n")
      assert.notInclude(readdirSync(data), "server.json")
    }).pipe(Effect.scoped)
  )

  it.live("continues after a SIGHUP without a terminal, as nohup expects", () =>
    Effect.gen(function* () {
      const data = join(yield* temporaryFolder, "data")
      const program = yield* start("standalone", settings(data))
      yield* Effect.promise(() => program.printed(/10 in all/))
      program.signal("SIGHUP")
      yield* Effect.promise(() => program.printed(/20 in all/))
      program.signal("SIGTERM")
      assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
    }).pipe(Effect.scoped)
  )
})

const noTerminal = process.platform !== "linux"

it.live.skipIf(noTerminal)("a program ends cleanly when its terminal is closed", () =>
  Effect.gen(function* () {
    const data = join(yield* temporaryFolder, "data")
    const terminal = yield* run(
      "script",
      ["-qec", `'${process.execPath}' '${built("standalone")}'`, "/dev/null"],
      settings(data)
    )
    yield* Effect.promise(() => terminal.printed(/10 in all/))
    const server = yield* serverOf(data)
    terminal.signal("SIGKILL")
    yield* gone(server)
    assert.deepStrictEqual(leftovers(data), [])
  }).pipe(Effect.scoped)
)
