/** Runs Floe under libfaketime, which changes the wall clock of running programs but not their monotonic clock. */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { commitsMore, type SettableClock, scenario } from "../support/clockScenario.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { serving } from "../support/httpService.ts"
import { type Program, root, run, start, startFloe } from "../support/program.ts"

const find = () => {
  const library = (existsSync("/usr/lib") ? readdirSync("/usr/lib") : [])
    .map((folder) => join("/usr/lib", folder, "faketime", "libfaketimeMT.so.1"))
    .find((path) => existsSync(path))
  if (library === undefined) throw new Error("These tests need libfaketime: apt-get install faketime")
  return library
}

const faketime = Effect.map(temporaryFolder, (folder): SettableClock => {
  const file = join(folder, "offset")
  // The programs may read the file at any moment, so it must never be half-written.
  const write = (seconds: number) => {
    writeFileSync(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`)
    renameSync(`${file}.new`, file)
  }
  write(0)
  return {
    env: {
      LD_PRELOAD: find(),
      DONT_FAKE_MONOTONIC: "1",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1"
    },
    set: (seconds) => Effect.sync(() => write(seconds))
  }
})

const until = (holds: () => boolean) =>
  Effect.repeat(Effect.sync(holds), { until: (held) => held, schedule: Schedule.spaced("2 millis") })

describe("the wall clock of running programs", () => {
  it.live("is set back by two hours and corrected again", () => Effect.flatMap(faketime, scenario).pipe(Effect.scoped))

  // libfaketime does not affect the shell's own clock, so the script sets it.
  it.live("is set back by two hours, and Kafka Connect's watcher still restarts a failed task", () =>
    Effect.gen(function* () {
      const set = join(yield* temporaryFolder, "set")
      const sleep = `sleep() { command sleep "$@"; if [ -e ${set} ]; then SECONDS=-7200; fi; }`
      const failed = (worker_id: string) => ({
        name: "sink",
        connector: { state: "RUNNING", worker_id },
        tasks: [{ id: 0, state: "FAILED", worker_id, trace: "broken" }]
      })
      const { base, seen } = yield* serving(({ method, url }, base) => {
        if (method === "POST") return { status: 204, body: "" }
        const body = url === "/connectors" ? ["sink"] : failed(`worker:${new URL(base).port}`)
        return { status: 200, body: JSON.stringify(body) }
      })
      const restarts = () => seen.filter(({ url }) => url === "/connectors/sink/tasks/0/restart").length
      yield* run("bash", ["-c", `${sleep}; . ${join(root, "deploy", "kafka-connect", "watch-tasks")}`], {
        CONNECT_REST_ADVERTISED_HOST_NAME: "worker",
        CONNECT_REST_PORT: new URL(base).port
      })
      yield* until(() => restarts() === 1)
      writeFileSync(set, "")
      yield* until(() => restarts() === 2)
    }).pipe(Effect.scoped)
  )

  it.live("jumps while a query is stopped for long: the query continues, and a killed one leaves nothing behind", () =>
    Effect.gen(function* () {
      const { env: clock, set } = yield* faketime
      const data = yield* temporaryFolder
      // Only the lease keeps the files of an older snapshot.
      const short = { FLOE_SNAPSHOT_KEEP: "2", FLOE_TIME_TRAVEL: "0 seconds", FLOE_FILE_GRACE: "0 seconds" }
      const env = { ...clock, ...short, FLOE_DATA: data, FLOE_PORT: "0" }
      const often = { FLOE_INTERVAL: "100 millis", FLOE_COMMIT_INTERVAL: "100 millis" }
      const program = yield* start("standalone", { ...env, ...often })
      yield* commitsMore(program)

      const leases = () => {
        const folder = join(data, "leases")
        return existsSync(folder) ? readdirSync(folder) : []
      }
      /** A query that stops once it has its lease, before it reads a data file. */
      const stoppedQuery = Effect.gen(function* () {
        const query = yield* startFloe(
          ["query", "--format", "csv", "SELECT count(DISTINCT city) > 0 FROM weather"],
          env
        )
        yield* until(() => leases().length > 0)
        query.signal("SIGSTOP")
        return query
      })
      const end = (query: Program) => Effect.promise(() => query.ended)

      const query = yield* stoppedQuery
      yield* set(60)
      yield* Effect.promise(() => program.printed(/The clock jumped ahead by 60 s/))
      yield* set(7200)
      for (let i = 0; i < 5; i++) yield* commitsMore(program)
      query.signal("SIGCONT")
      assert.deepStrictEqual(yield* end(query), { code: 0, signal: null }, query.output())
      assert.match(query.output(), /\ntrue\r?\n$/)

      const killed = yield* stoppedQuery
      killed.signal("SIGKILL")
      yield* end(killed)
      // The sink checks for leases when it expires snapshots.
      yield* until(() => leases().length === 0)
    }).pipe(Effect.scoped)
  )
})
