/** A processor that reads two partitions by another key, rebuilt on Kafka with one that reads what it writes, and killed on the way; the rows judged by Trino. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { generationsKey, rebuildKey } from "../../layers/log/kafka/streamRecords.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { nightly } from "../support/nightly.ts"
import { built, floe as command, run, startFloe } from "../support/program.ts"
import { docker, killHard, stateOf } from "./docker.ts"
import { forgotten } from "./kafkaProject.ts"
import { removeStreams } from "./removedStreams.ts"
import { metadataMoves } from "./tablePlace.ts"
import { server, trino, until } from "./weather.ts"

const name = `regen_${process.pid}`
const [input, sums, late, large] = [`${name}_in`, `${name}_sums`, `${name}_sum_late`, `${name}_large`] as const
const env = {
  FLOE_PROFILE: "distributed",
  FLOE_COMMIT_INTERVAL: "1 second",
  FLOE_WEATHER_HOURLY: "false",
  FLOE_PARTITIONS: "2"
}

const declare = (folder: string, factor: number) =>
  writeFileSync(
    join(folder, "floe.streams.ts"),
    `import { Schema } from "effect"
import { Column, Processor, Stream, Window } from "floe"
export const In = Stream.make("${input}", {
  schema: Schema.Struct({ device: Schema.String, at: Column.timestamptz, n: Column.int })
})
export const Sums = Stream.make("${sums}", {
  schema: Schema.Struct({ device: Schema.String, minute: Column.timestamptz, n: Column.int }), key: "device"
})
export const Large = Stream.make("${large}", { schema: Sums.schema, key: "device" })
export const Sum = Processor.window("${name}_sum", {
  from: In, to: Sums, key: (event) => event.device, time: (event) => event.at, window: Window.tumbling("1 minute"),
  state: Schema.Struct({ n: Column.int }), zero: { n: 0 },
  add: (s, event) => ({ n: s.n + event.n }), emit: (device, w, s) => ({ device, minute: w.start, n: ${factor} * s.n })
})
export const OnlyLarge = Processor.filter("${name}_only_large", { from: Sums, to: Large, keep: (row) => row.n >= ${factor} * 50 })
`
  )

const start = Date.UTC(2026, 10, 27, 10)
/** One each second; one in a hundred is ten minutes late. */
const eventOf = (k: number) => ({
  device: `d${k % 5}`,
  at: start + (k % 100 === 99 ? k - 600 : k) * 1_000,
  n: k % 9
})

/** What the processors must give of so many events, by arithmetic of its own. */
const expected = (count: number, factor: number) => {
  const ended = Math.floor((count - 1) / 60)
  const sumOf = new Map<string, number>()
  for (let k = 0; k < ended * 60; k++) {
    if (k % 100 === 99) continue
    const row = `d${k % 5}\t${Math.floor(k / 60)}`
    sumOf.set(row, (sumOf.get(row) ?? 0) + (k % 9))
  }
  const rows = [...sumOf].map(([row, n]) => ({ text: `${row}\t${factor * n}`, n }))
  return {
    sums: rows.map(({ text }) => text).sort(),
    large: rows.flatMap(({ n, text }) => (n >= 50 ? [text] : [])).sort(),
    late: Math.floor(count / 100)
  }
}

const rowsOf = async (table: string) =>
  (
    await trino(
      `SELECT device, CAST((to_unixtime(minute) - ${start / 1_000}) / 60 AS integer), n FROM iceberg.default.${table}`
    )
  )
    .map((row) => row.join("\t"))
    .sort()

const landed = async (count: number, factor: number) => {
  const wanted = expected(count, factor)
  await until(
    "the last rows",
    () => rowsOf(large),
    (rows) => rows.length >= wanted.large.length
  )
  await until(
    "the sums",
    () => rowsOf(sums),
    (rows) => rows.length >= wanted.sums.length
  )
  assert.deepStrictEqual(
    { sums: await rowsOf(sums), large: await rowsOf(large) },
    { sums: wanted.sums, large: wanted.large }
  )
  await until(
    "the late events",
    async () => Number((await trino(`SELECT count(*) FROM iceberg.default.${late}`))[0]?.[0]),
    (found) => found === wanted.late
  )
}

/** The same events under the same key until they are acknowledged; the server takes a new stream within seconds. */
const post = (first: number, count: number) =>
  until(
    `the answer to events from ${first}`,
    async () => {
      const events = Array.from({ length: count }, (_, i) => {
        const { at, ...event } = eventOf(first + i)
        return { ...event, at: new Date(at).toISOString() }
      })
      const headers = { "content-type": "application/json", "idempotency-key": `${name}-${first}` }
      const answer = await fetch(`${server}/streams/${input}/events`, {
        method: "POST",
        headers,
        body: JSON.stringify(events)
      })
      return answer.status
    },
    (status) => status === 200,
    { every: 200 }
  )

const connectors = "http://localhost:8083/connectors"
const kafka = (tool: string, ...args: ReadonlyArray<string>) =>
  docker("exec", "kafka", tool, "--bootstrap-server", "localhost:9092", ...args)
const topics = async () => (await kafka("kafka-topics", "--list")).split("\n").filter((topic) => topic.includes(name))

const cleanUp = Effect.gen(function* () {
  yield* Effect.promise(async () => {
    const left = (await (await fetch(connectors)).text()).match(new RegExp(`replay-${name}\\w+`, "g")) ?? []
    for (const connector of left) await fetch(`${connectors}/${connector}`, { method: "DELETE" })
    for (const [table] of await trino(`SHOW TABLES FROM iceberg.default LIKE '${name}_%'`)) {
      await trino(`DROP TABLE IF EXISTS iceberg.default.${table}`)
    }
    await removeStreams([input, sums, late, large])
    await kafka("kafka-topics", "--delete", "--if-exists", "--topic", `(control-replay-)?${name}_.*`)
  })
  yield* forgotten([rebuildKey, generationsKey, `${name}_sum/processor`, `${name}_only_large/processor`])
})

const rebuild = ["processor", "rebuild", `${name}_sum`]

/** Killed as soon as `moment` is over. */
const killedAfter = (cwd: string, moment: () => Promise<unknown>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* startFloe(rebuild, env, { cwd })
      yield* Effect.promise(moment)
      program.signal("SIGKILL")
      const { signal } = yield* Effect.promise(() => program.ended)
      assert.strictEqual(signal, "SIGKILL", program.output())
    })
  )

const sees = (what: string, path: string, wanted: RegExp) => () =>
  until(
    what,
    async () => (await fetch(`${connectors}${path}`)).text(),
    (found) => wanted.test(found),
    { every: 50 }
  )
const isStopped = sees("a stopped connector", `/iceberg-sink-${sums}/status`, /"connector":\{"state":"STOPPED"/)
const isPaused = sees("the pause", `/iceberg-sink-${late}/status`, /"connector":\{"state":"PAUSED"/)
const isFilling = sees("the connector of a new table", "", new RegExp(`replay-${late}_rebuild`))
const isReplaced = async () => {
  const moves = metadataMoves(sums)
  await isStopped()
  await moves.next()
  moves.stop()
}
const isMoved = sees("the sink of another topic", `/iceberg-sink-${late}/config`, new RegExp(`"topics":"${late}-\\d+"`))

const moments = nightly ? [isFilling, isStopped, isReplaced, isMoved] : [isReplaced]

/** Killed once the sinks are told to stop; however the command ends, the container comes back by itself. */
const componentKilled = (cwd: string, container: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* startFloe(rebuild, env, { cwd })
      yield* Effect.promise(async () => {
        await isStopped()
        const pid = await killHard(container)
        await program.ended
        await until(
          `${container} running and healthy again`,
          () => stateOf(container),
          (state) => state.running && state.pid !== pid && state.health === "healthy",
          { seconds: 240 }
        )
      })
    })
  )

it.live(
  "killed on the way, the same command gives all rows by the new function, each once, and events go on meanwhile",
  () =>
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => cleanUp)
      const cwd = yield* temporaryFolder
      const succeeds = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { code, err, out } = yield* command(args, env, { cwd })
        assert.strictEqual(code, 0, `${args.join(" ")}: ${out}${err}`)
        return out
      })
      declare(cwd, 1)
      yield* succeeds("streams", "apply")
      yield* run(process.execPath, [built("processor")], env, { cwd })
      yield* Effect.promise(() => post(0, 3_000))
      yield* Effect.promise(() => landed(3_000, 1))

      yield* succeeds("connector", "pause", `iceberg-sink-${late}`)

      let factor = 1
      let count = 3_000
      for (const [index, moment] of moments.entries()) {
        declare(cwd, ++factor)
        yield* killedAfter(cwd, moment)
        yield* Effect.promise(() => post(count, 500))
        count += 500
        if (moment !== isFilling) {
          // What is started or repaired meanwhile does not disturb it.
          yield* succeeds("streams", "apply")
        }
        assert.match(yield* succeeds(...rebuild), new RegExp(`Rebuilt: ${name}_sum, with ${name}_only_large`))
        yield* Effect.promise(() => post(count, 500))
        count += 500
        if (index === 0) {
          yield* Effect.promise(isPaused)
          yield* succeeds("connector", "resume", `iceberg-sink-${late}`)
        }
        yield* Effect.promise(() => landed(count, factor))
      }

      for (const container of nightly ? ["kafka", "kafka-connect"] : []) {
        declare(cwd, ++factor)
        yield* componentKilled(cwd, container)
        const again = () => Effect.runPromise(command(rebuild, env, { cwd }))
        yield* Effect.promise(() => until("the rebuild", again, ({ code }) => code === 0, { seconds: 300 }))
        yield* Effect.promise(() => post(count, 500))
        count += 500
        yield* Effect.promise(() => landed(count, factor))
      }

      yield* succeeds("audit", "--stream", sums)
      yield* succeeds("audit", "--stream", large)
      const left = (yield* Effect.promise(topics)).filter((topic) => !/-\d+(_by_key)?(-state|-dlq)?$/.test(topic))
      const controls = [input, sums, late, large].map((stream) => `control-iceberg-${stream}`)
      assert.sameMembers(left, [...controls, input, `${input}-dlq`])
      assert.notInclude(yield* Effect.promise(async () => (await fetch(connectors)).text()), `replay-${name}`)
    }),
  nightly ? 1_500_000 : 300_000
)
