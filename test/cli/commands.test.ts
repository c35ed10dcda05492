import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { bin, floe, freePort, root, start, startFloe } from "../support/program.ts"

const running = Effect.gen(function* () {
  const data = join(yield* temporaryFolder, "data")
  const port = yield* freePort
  const env = { FLOE_DATA: data, FLOE_PORT: String(port), FLOE_TARGET: `http://127.0.0.1:${port}` }
  const server = yield* start("server", env)
  yield* Effect.promise(() => server.printed(/listens on/))
  return { env, server }
})

const lines = (text: string) => text.split("\n").filter((line) => line !== "")

it.live(
  "tail follows the log from its end, from a position or from a time, until it is interrupted",
  () =>
    Effect.gen(function* () {
      const { env } = yield* running
      const send = (city: string) => floe(["send", city, "41.50"], env)
      for (const city of ["Oslo", "Lima", "Pune"]) yield* send(city)

      const all = yield* startFloe(["tail", "--from", "0"], env)
      const json = yield* startFloe(
        ["tail", "--from", "weather/0/1", "--city", "Rome", "--city", "Lima", "--json"],
        env
      )
      yield* Effect.promise(() => all.printed(/Pune/))
      yield* Effect.promise(() => json.printed(/Lima/))
      const [third = ""] = lines(all.output()).slice(-1)
      const time = /^weather\/0\/2 {2}(\S+Z) {3}41\.50 {2}Pune$/.exec(third)?.[1]
      assert.isDefined(time, third)
      const fromTime = yield* startFloe(["tail", "--from", time], env)
      const fromEnd = yield* startFloe(["tail"], env)
      // It prints nothing until an event arrives, so keep sending until it has seen one.
      const rome = yield* Effect.forkChild(Effect.forever(send("Rome")))
      yield* Effect.promise(() => Promise.all([all, json, fromTime, fromEnd].map((one) => one.printed(/Rome/))))
      yield* Effect.sync(() => rome.interruptUnsafe())

      const cities = (output: string) => lines(output).map((line) => line.split("  ").at(-1)?.trim())
      assert.deepStrictEqual(cities(all.output()).slice(0, 4), ["Oslo", "Lima", "Pune", "Rome"])
      assert.deepStrictEqual(cities(fromTime.output()).slice(0, 2), ["Pune", "Rome"])
      assert.strictEqual(cities(fromEnd.output())[0], "Rome")
      const [first, second] = lines(json.output()).map((line) => JSON.parse(line))
      assert.deepInclude(first, { partition: 0, offset: 1, city: "Lima", temperature: "41.50" })
      assert.deepInclude(second, { partition: 0, offset: 3, city: "Rome" })
      for (const one of [all, json, fromTime, fromEnd]) {
        one.signal("SIGINT")
        const { code } = yield* Effect.promise(() => one.ended)
        assert.deepStrictEqual([code, /rror/.test(one.output())], [130, false])
      }

      const [beyond, other, nonsense, noLog] = yield* Effect.all(
        [
          floe(["tail", "--from", "9999"], env),
          floe(["tail", "--from", "7/0"], env),
          floe(["tail", "--from", "noon"], env),
          floe(["tail"], { ...env, FLOE_DATA: join(env.FLOE_DATA, "nowhere") })
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([beyond.code, other.code, nonsense.code, noLog.code], [1, 1, 2, 1])
      assert.match(
        beyond.err,
        /^Partition 0 of the log has no offset 9999: its first offset is 0, and its end is \d+\.\n$/
      )
      assert.match(other.err, /^The log has no partition 7\.\n$/)
      assert.match(noLog.err, /there is no log yet/)
    }).pipe(Effect.scoped),
  60_000
)

const Status = Schema.fromJsonString(
  Schema.Struct({
    profile: Schema.String,
    components: Schema.Array(
      Schema.Struct({ name: Schema.String, state: Schema.String, version: Schema.NullOr(Schema.String) })
    ),
    log: Schema.NullOr(Schema.Struct({ end: Schema.Int })),
    table: Schema.NullOr(Schema.Struct({ committed: Schema.Int, rows: Schema.Int, files: Schema.Int })),
    lag: Schema.Struct({ events: Schema.NullOr(Schema.Int), seconds: Schema.NullOr(Schema.Finite) })
  })
)

it.live(
  "status shows each component and the lag of the table",
  () =>
    Effect.gen(function* () {
      const { env } = yield* running
      const look = Effect.gen(function* () {
        const { code, out } = yield* floe(["status", "--json"], env)
        const status = yield* Schema.decodeUnknownEffect(Status)(out)
        return { code, ...status, states: status.components.map(({ name, state }) => `${name} ${state}`) }
      })
      for (const city of ["Oslo", "Lima"]) yield* floe(["send", city, "1"], env)
      const before = yield* look
      assert.strictEqual(before.code, 1)
      assert.deepStrictEqual(before.states, ["server up", "log up", "sink down", "query down"])
      assert.deepStrictEqual([before.profile, before.log, before.table], ["embedded", { end: 2 }, null])

      const sink = yield* start("sink", env)
      yield* Effect.promise(() => sink.printed(/committed 2 rows/))
      const after = yield* look
      assert.strictEqual(after.code, 0)
      assert.deepStrictEqual(after.states, ["server up", "log up", "sink up", "query up"])
      assert.deepStrictEqual([after.log, after.table], [{ end: 2 }, { committed: 2, rows: 2, files: 1 }])
      assert.deepStrictEqual(after.lag, { events: 0, seconds: 0 })
      assert.match(after.components[0]?.version ?? "", /^\d+\.\d+\.\d+$/)

      sink.signal("SIGTERM")
      yield* Effect.promise(() => sink.ended)
      yield* floe(["send", "Pune", "1"], env)
      const behind = yield* look
      assert.strictEqual(behind.lag.events, 1)
      assert.isAbove(behind.lag.seconds ?? 0, 0)
      const text = yield* floe(["status"], env)
      assert.match(text.out, /^Floe, embedded profile {2}\S+Z\n\n {2}server {3}up +\d+ ms {2}\d\S+ +http:/)
      assert.match(text.out, /\n {2}log end +3\n {2}committed +2\n {2}lag +1 events?, the oldest for \S+ s\n/)
      assert.strictEqual(text.err, "sink is down; run floe doctor to see what to do.\n")

      const watch = yield* startFloe(["status", "--watch", "--json"], env)
      yield* Effect.promise(() => watch.until((output) => lines(output).length >= 2))
      for (const line of lines(watch.output())) yield* Schema.decodeUnknownEffect(Status)(line)
      watch.signal("SIGINT")
      assert.strictEqual((yield* Effect.promise(() => watch.ended)).code, 130)
    }).pipe(Effect.scoped),
  60_000
)

const Settings = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      value: Schema.NullOr(Schema.String),
      from: Schema.Literals(["environment", "default"]),
      problem: Schema.NullOr(Schema.String)
    })
  )
)

it.live(
  "config shows every setting, its value and its source, and hides secrets",
  () =>
    Effect.gen(function* () {
      const secret = "tr0ub4dor"
      const env = { FLOE_PORT: "12345", FLOE_S3_SECRET_KEY: secret, FLOE_KAFKA_PASSWORD: secret, FLOE_SEED: "" }
      const [text, json, wrong] = yield* Effect.all(
        [floe(["config"], env), floe(["config", "--json"], env), floe(["config"], { FLOE_PORT: "many" })],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([text.code, text.err, json.code], [0, "", 0])
      assert.match(text.out, /^FLOE_PORT +12345 {2}from the environment$/m)
      assert.match(text.out, /^FLOE_HOST +127\.0\.0\.1$/m)
      assert.notInclude(text.out + json.out, secret)
      const all = yield* Schema.decodeUnknownEffect(Settings)(json.out)
      const named = (name: string) => all.find((setting) => setting.name === name)
      assert.deepInclude(named("FLOE_PORT"), { value: "12345", from: "environment" })
      assert.deepInclude(named("FLOE_HOST"), { value: "127.0.0.1", from: "default" })
      assert.deepInclude(named("FLOE_COMMIT_INTERVAL"), { value: "1 second", from: "default" })
      assert.deepInclude(named("FLOE_SEED"), { value: null, from: "default" })
      assert.deepInclude(named("FLOE_S3_SECRET_KEY"), { value: "(hidden)", from: "environment" })
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.err, /^FLOE_PORT is invalid: .*\.\n$/)
      assert.match(wrong.out, /^FLOE_PORT +many .*cannot be used$/m)
    }),
  60_000
)

it.live(
  "completions are valid shell scripts that know the commands and their flags",
  () =>
    Effect.gen(function* () {
      const [bash, zsh, fish, other] = yield* Effect.all(
        ["bash", "zsh", "fish", "tcsh"].map((shell) => floe(["completions", shell])),
        { concurrency: 2 }
      )
      assert.deepStrictEqual([bash?.code, zsh?.code, fish?.code, other?.code], [0, 0, 0, 2])
      assert.match(zsh?.out ?? "", /^#compdef floe/)
      assert.match(fish?.out ?? "", /complete -c floe/)
      for (const word of ["audit", "completions", "config", "doctor", "send", "status", "tail"]) {
        for (const script of [bash, zsh, fish]) assert.include(script?.out, word)
      }
      const complete = (words: string) => {
        const ask = `floe() { [[ "$*" == 'streams list --names' ]] && printf 'weather\\nreadings\\n'; }; COMP_LINE='${words} '; COMP_WORDS=(${words} ''); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _floe; printf '%s\\n' "\${COMPREPLY[@]}"`
        const shell = spawnSync("bash", ["--norc", "-c", `${bash?.out}\n${ask}`], { encoding: "utf8" })
        return { code: shell.status, err: shell.stderr, words: lines(shell.stdout) }
      }
      const commands = complete("floe")
      assert.deepStrictEqual([commands.code, commands.err], [0, ""])
      assert.includeMembers(commands.words, ["audit", "doctor", "tail"])
      assert.includeMembers(complete("floe completions").words, ["bash", "zsh", "fish"])
      assert.deepStrictEqual(complete("floe audit --stream").words, ["weather", "readings"])
      for (const script of [zsh, fish]) assert.include(script?.out, "floe streams list --names")
    }),
  60_000
)

const noTerminal = spawnSync("script", ["--version"]).error !== undefined

it.live.skipIf(noTerminal)("colours appear only on a terminal without NO_COLOR, and lines fit the terminal", () =>
  Effect.gen(function* () {
    const { env } = yield* running
    const onTerminal = (more: Record<string, string>) =>
      Effect.sync(() => {
        const command = `stty cols 80; '${process.execPath}' '${bin}' status`
        const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env
        const all = { ...inherited, ...env, TERM: "xterm", ...more }
        const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { env: all, encoding: "utf8" })
        return stdout.replaceAll("\r", "")
      })
    const coloured = yield* onTerminal({})
    assert.include(coloured, "\u001b[32mup")
    for (const line of stripVTControlCharacters(coloured).split("\n")) assert.isAtMost(line.length, 80)
    assert.notInclude(yield* onTerminal({ NO_COLOR: "1" }), "\u001b")
    assert.notInclude((yield* floe(["status"], env)).out, "\u001b")
  }).pipe(Effect.scoped)
)

it.live(
  "former names of commands and flags work, and neither help, completions nor docs/cli.md shows them",
  () =>
    Effect.gen(function* () {
      const { env } = yield* running
      yield* floe(["send", "Oslo", "1"], env)
      const sink = yield* start("sink", env)
      yield* Effect.promise(() => sink.printed(/committed 1 row/))
      const made = yield* floe(["replay", "--into", "again"], env)
      assert.deepStrictEqual([made.code, made.err], [0, ""])
      const promoted = yield* floe(["rebuild", "--into", "again", "--swap", "--json"], env)
      assert.strictEqual(promoted.code, 0, promoted.err)
      assert.match(JSON.parse(promoted.out).promoted, /^default\.again is in place of default\.weather: 1 row\b/)
      const redriven = yield* floe(["dlq", "replay", "--all"], env)
      assert.deepStrictEqual([redriven.code, redriven.err], [0, ""])
      assert.deepStrictEqual(redriven, yield* floe(["dlq", "redrive", "--all"], env))

      const shown = yield* Effect.forEach(
        [["--help"], ["rebuild", "--help"], ["dlq", "--help"], ["dlq", "redrive", "--help"], ["completions", "bash"]],
        (args) => floe(args),
        { concurrency: 2 }
      )
      const texts = [...shown.map(({ out }) => out), readFileSync(join(root, "docs", "cli.md"), "utf8")]
      for (const text of texts) assert.notMatch(text, /\breplay|\bswap/i)
      assert.match(shown[0]?.out ?? "", /\brebuild\b/)
    }).pipe(Effect.scoped),
  60_000
)

it.live("an unknown command or flag suggests the nearest one, and exits with 2", () =>
  Effect.gen(function* () {
    const [command, flag, colours] = yield* Effect.all(
      [floe(["statuss"]), floe(["tail", "--form", "0"]), floe(["--help"], { FORCE_COLOR: "", NO_COLOR: "1" })],
      { concurrency: 2 }
    )
    assert.deepStrictEqual([command.code, command.out], [2, ""])
    assert.match(command.err, /Unknown subcommand "statuss".*\n.*\n.*Did you mean.*\n +status/)
    assert.deepStrictEqual([flag.code, flag.out], [2, ""])
    assert.match(flag.err, /Unrecognized flag: --form.*\n.*\n.*Did you mean.*\n +--from/)
    assert.notInclude(colours.out, "\u001b")
  })
)
