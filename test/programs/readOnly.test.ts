/** Reading a data folder that belongs to another user. */
import { spawnSync } from "node:child_process"
import { chmodSync, lstatSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { bin, floe, result, run, start } from "../support/program.ts"

const isRoot = process.getuid?.() === 0
/** Root can write everywhere, so the reader runs as another user. */
const reader = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : ["env"]
const cannotTry = [
  [process.execPath, bin, "--version"],
  ["test", "-x", tmpdir()]
].some((command) => spawnSync(reader[0] ?? "", [...reader.slice(1), ...command]).status !== 0)

const writable = (path: string, is: boolean): void => {
  const isFolder = lstatSync(path).isDirectory()
  if (isFolder && is) chmodSync(path, 0o755)
  if (isFolder) for (const name of readdirSync(path)) writable(join(path, name), is)
  chmodSync(path, isFolder ? (is ? 0o755 : 0o555) : is ? 0o644 : 0o444)
}

/** Only its owner may write to it or, if the tests do not run as root, nobody. */
const folder = Effect.acquireRelease(
  Effect.map(temporaryFolder, (path) => {
    chmodSync(path, 0o755)
    return join(path, "data")
  }),
  (data) => Effect.sync(() => writable(data, true))
)

const startReader = (args: ReadonlyArray<string>, data: string) => {
  const [command = "", ...before] = reader
  return run(command, [...before, process.execPath, bin, ...args], { FLOE_DATA: data })
}

const read = (args: ReadonlyArray<string>, data: string) =>
  Effect.scoped(Effect.flatMap(startReader(args, data), result))

const settings = (data: string) => ({ FLOE_DATA: data, FLOE_PORT: "0", FLOE_BATCH: "1", FLOE_INTERVAL: "1 hour" })

describe.skipIf(cannotTry)("a data folder", () => {
  it.live.each(["SIGTERM", "SIGKILL"] as const)(
    "can be read by a user with read-only access, after a %s",
    (signal) =>
      Effect.gen(function* () {
        const data = yield* folder
        const program = yield* start("standalone", settings(data))
        yield* Effect.promise(() => program.printed(/committed 1 row/))
        program.signal(signal)
        yield* Effect.promise(() => program.ended)
        const before = readdirSync(data)
        writable(data, false)
        const commands = [
          ["audit", "--json"],
          ["query", "--format", "csv", "SELECT count(*) AS n FROM weather"],
          ["status", "--json"],
          ["table", "describe"],
          ["table", "files"],
          ["storage", "ls", "-r"],
          ["connector", "status", "--json"]
        ]
        const [audit, query, status, ...others] = yield* Effect.forEach(commands, (args) => read(args, data), {
          concurrency: 2
        })
        assert.deepStrictEqual([audit?.code, audit?.err], [0, ""])
        assert.deepInclude(JSON.parse(audit?.out ?? ""), { logged: 1, inTable: 1, missing: 0, extra: 0 })
        assert.deepStrictEqual([query?.code, query?.out, query?.err], [0, "n\r\n1\r\n", ""])
        const { components, log } = JSON.parse(status?.out ?? "")
        assert.strictEqual(log.end, 1)
        const details = components.map(({ detail }: { detail: string }) => detail).join("\n")
        assert.notMatch(details, /permission|opened|written/)
        for (const { err } of others) assert.notMatch(err, /permission|opened|written/)
        const doctor = yield* read(["doctor"], data)
        if (isRoot) {
          assert.match(doctor.out, /^warn folder +You may read \S+ but not write to it\.$/m)
          assert.notMatch(doctor.out, /^FAIL +(data|folder|clock|log|table|files) /m)
        }
        const backups = yield* temporaryFolder
        chmodSync(backups, 0o777)
        const backup = yield* read(["backup", join(backups, "copy")], data)
        assert.deepStrictEqual([backup.code, backup.err], [0, ""])
        assert.match(backup.out, /Audit of the copy: 1 logged, 1 in the table, 0 missing, 0 extra\./)
        assert.deepStrictEqual(readdirSync(data), before)

        // The tail opens the log while nobody writes to it; then a server starts.
        const tail = yield* startReader(["tail", "--from", "0"], data)
        yield* Effect.promise(() => tail.printed(/weather\/0\/0/))
        writable(data, true)
        const server = yield* start("server", settings(data))
        yield* Effect.promise(() => server.printed(/listens on/))
        assert.strictEqual((yield* floe(["send", "Oslo", "1"], { FLOE_DATA: data })).code, 0)
        yield* Effect.promise(() => tail.printed(/weather\/0\/1 .*Oslo/))
      }).pipe(Effect.scoped),
    60_000
  )
})
