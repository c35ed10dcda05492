/** Runs `floe doctor` as a process and reads its findings. */
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { assert } from "vitest"
import type { Limits } from "../../layers/operate/doctor/distributed.ts"
import * as Layers from "../../layers/profile/distributed.ts"
import { Checks, Finding } from "../../services/Checks.ts"
import { floe as command } from "../support/program.ts"
import { docker, root, shell } from "./docker.ts"
import { server, until } from "./weather.ts"

const Report = Schema.fromJsonString(
  Schema.Struct({
    healthy: Schema.Boolean,
    checks: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        findings: Schema.Array(Finding),
        waitsFor: Schema.Array(Schema.String)
      })
    )
  })
)

type Environment = Readonly<Record<string, string>>

export const floe = (args: ReadonlyArray<string>, env: Environment = {}) =>
  Effect.runPromise(command(args, { FLOE_PROFILE: "distributed", FLOE_TARGET: server, ...env }))

/** As `floe`; the exit code must be 0. */
export const done = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await floe(args)
  assert.strictEqual(code, 0, `${out}${err}`)
  return out
}

export const examine = async (env: Environment = {}) => {
  const { code, out, err } = await floe(["doctor", "--json"], env)
  assert.isTrue(out.startsWith("{"), err)
  const report = Schema.decodeUnknownSync(Report)(out)
  assert.strictEqual(code, report.healthy ? 0 : 1)
  return report.checks
}

/** Its findings, by the name of the check. */
export const failures = async (env: Environment = {}) =>
  Object.fromEntries(
    (await examine(env)).filter(({ findings }) => findings.length > 0).map(({ name, findings }) => [name, findings])
  )

type Failures = Awaited<ReturnType<typeof failures>>

/** Exactly these checks have findings, and each has this many. */
export const named = (found: Failures, wanted: Readonly<Record<string, ReadonlyArray<RegExp>>>) => {
  const shown = JSON.stringify(found, null, 1)
  assert.deepStrictEqual(Object.keys(found), Object.keys(wanted), shown)
  for (const [name, patterns] of Object.entries(wanted)) {
    const findings = found[name] ?? []
    assert.strictEqual(findings.length, patterns.length, shown)
    for (const [i, pattern] of patterns.entries()) assert.match(findings[i]?.finding ?? "", pattern)
  }
}

const isNamed = (found: Failures, names: ReadonlyArray<string>) =>
  names.length === Object.keys(found).length && names.every((name) => name in found)

/** Repeats until exactly these checks have findings. */
export const untilNamed = (...names: ReadonlyArray<string>) =>
  until(`findings: ${names.join(", ")}`, failures, (found) => isNamed(found, names), { seconds: 180, every: 500 })

/** Repeats until there are no findings, for example once the sink has caught up. */
export const untilHealthy = () => untilNamed()

/** The findings of one check with other limits. */
export const foundWithin = (limits: Limits, name: string) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const { all } = yield* Checks
      const check = all.find((check) => check.name === name)
      return yield* check?.run ?? Effect.die(new Error(`there is no check ${name}`))
    }).pipe(Effect.provide(Layers.checksWithin(limits)))
  )

/** The commands of a fix: those in backquotes, or all of it if it is only a command. */
export const commandsOf = (fix: string) => {
  const quoted = Array.from(fix.matchAll(/`([^`]+)`/g), ([, command = ""]) => command)
  return quoted.length > 0 ? quoted : /^(floe|docker) /.test(fix) ? [fix] : []
}

/** Runs a command of a finding verbatim in a shell; `floe` is the one in the logging server's container. */
const given = (command: string) => {
  const floe = `floe() { FLOE_PROFILE=distributed '${process.execPath}' '${join(root, "bin", "floe.js")}' "$@"; }`
  return shell(`${floe}\n${command}`, 300_000)
}

/** Runs the commands of the findings in turn until there are no findings. Waits if there is no command or it takes time. */
export const repaired = async () => {
  const last = new Map<string, number>()
  await until(
    "no finding is left",
    async () => {
      const found = await failures()
      const findings = Object.values(found).flat()
      if (findings.length === 0) return undefined
      // A command from a while ago, for example a restart, may have to run again.
      const due = findings.find(({ fix }) => commandsOf(fix).length > 0 && Date.now() - (last.get(fix) ?? 0) > 60_000)
      if (due === undefined) return found
      for (const command of commandsOf(due.fix)) await given(command)
      last.set(due.fix, Date.now())
      return found
    },
    (found) => found === undefined,
    { seconds: 600, every: 1_000 }
  )
}

export const psql = (sql: string) =>
  docker(
    "exec",
    "postgres",
    "psql",
    "--username",
    "hive",
    "--dbname",
    "hive",
    "--tuples-only",
    "--no-align",
    "--command",
    sql
  )

/** Lower than any id that the metastore assigns: a lock waits only for locks with lower ids. */
export const lock = 0

/** A writer's lock on the table, whose last heartbeat was this many seconds ago. */
export const lockTable = (secondsAgo: number) => {
  const heartbeat = Date.now() - secondsAgo * 1_000
  return psql(
    `INSERT INTO hive_locks (hl_lock_ext_id, hl_lock_int_id, hl_txnid, hl_db, hl_table, hl_lock_state, hl_lock_type, hl_last_heartbeat, hl_acquired_at, hl_user, hl_host)
     VALUES (${lock}, 1, 0, 'default', 'weather', 'a', 'e', ${heartbeat}, ${heartbeat}, 'test', 'gone')
     ON CONFLICT (hl_lock_ext_id, hl_lock_int_id) DO UPDATE SET hl_last_heartbeat = ${heartbeat}`
  )
}

export const unlockTable = () => psql(`DELETE FROM hive_locks WHERE hl_lock_ext_id = ${lock}`)
