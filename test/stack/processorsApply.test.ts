/** A declaration with processors: what `floe streams apply` makes of it, and what the commands then show; judged by Kafka's own tools and Trino. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as Producer from "../../layers/log/kafka/Producer.ts"
import { sendOne } from "../../layers/log/kafka/sendOne.ts"
import { streamsTopic } from "../../services/Topics.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { built, floe as command, freePort, run } from "../support/program.ts"
import { docker } from "./docker.ts"
import { written } from "./kafkaTopic.ts"
import { trino, until } from "./weather.ts"

const name = `kdeploy_${process.pid}`
const [input, output, sums, late] = [`${name}_in`, `${name}_out`, `${name}_sums`, `${name}_sums_late`] as const
const env = { FLOE_PROFILE: "distributed", FLOE_PARTITIONS: "2", FLOE_COMMIT_INTERVAL: "1 second" }

const declare = (folder: string, { key = "", size = "1 minute" } = {}) =>
  writeFileSync(
    join(folder, "floe.streams.ts"),
    `import { Schema } from "effect"
import { Column, Processor, Stream, Window } from "floe"
export const In = Stream.make("${input}", {
  schema: Schema.Struct({ device: Schema.String, at: Column.timestamptz, n: Column.int }), key: "device"
})
export const Out = Stream.make("${output}", {
  schema: Schema.Struct({ device: Schema.String, minute: Column.timestamptz, n: Column.int }), key: "device"
})
export const Sums = Processor.window("${sums}", {
  from: In, to: Out, time: (event) => event.at, window: Window.tumbling("${size}"), ${key}
  state: Schema.Struct({ n: Column.int }), zero: { n: 0 },
  add: (s, event) => ({ n: s.n + event.n }), emit: (device, w, s) => ({ device, minute: w.start, n: s.n })
})
`
  )

const kafka = (tool: string, ...args: ReadonlyArray<string>) =>
  docker("exec", "kafka", tool, "--bootstrap-server", "localhost:9092", ...args)
const topic = (one: string) => Effect.promise(() => kafka("kafka-topics", "--describe", "--topic", one))

/** Also its definitions, so that doctor does not miss what is gone. */
const cleanUp = Effect.gen(function* () {
  for (const stream of [input, output, late]) {
    yield* Effect.promise(() => fetch(`http://localhost:8083/connectors/iceberg-sink-${stream}`, { method: "DELETE" }))
    yield* Effect.promise(() => trino(`DROP TABLE IF EXISTS iceberg.default.${stream}`))
  }
  yield* Effect.promise(() => kafka("kafka-topics", "--delete", "--topic", `(control-iceberg-)?${name}_.*`))
  const producer = yield* Producer.connect(streamsTopic, () => {})
  for (const key of [`${input}/1`, `${output}/1`, `${late}/1`, `${sums}/processor`]) {
    yield* sendOne(streamsTopic, producer, { key, value: null })
  }
}).pipe(Effect.scoped, Effect.provide(Cluster.layer), Effect.orDie)

const event = (device: string, minute: number, n: number) =>
  JSON.stringify({ device, at: `2026-11-27T10:${String(minute).padStart(2, "0")}:30Z`, n })

describe("floe streams apply of a processor", () => {
  it.live(
    "creates what it needs, completes what is missing, and refuses what would make other rows",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        yield* Effect.addFinalizer(() => cleanUp)
        const floe = (...args: ReadonlyArray<string>) => command(args, env, { cwd })
        const succeeds = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
          const { code, err, out } = yield* floe(...args)
          assert.strictEqual(code, 0, `${args.join(" ")}: ${out}${err}`)
          return out
        })
        const refused = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
          const { code, err } = yield* floe(...args)
          assert.strictEqual(code, 1, args.join(" "))
          return err
        })

        declare(cwd, { key: "key: (event) => event.device," })
        assert.include(
          yield* succeeds("streams", "plan"),
          `gets the topic ${sums}_by_key with 2 partitions, as many as ${input} has: the events of ${input} by another key\n  gets the topic ${sums}_by_key-state`
        )
        assert.notInclude(yield* Effect.promise(() => kafka("kafka-topics", "--list")), name)

        declare(cwd)
        assert.include(
          yield* succeeds("streams", "plan"),
          `processor ${sums}: new\n  reads ${input}, and writes ${output}\n  gets the topic ${sums}-state with 2 partitions, as many as ${input} has`
        )
        const applied = JSON.parse(yield* succeeds("streams", "apply", "--json"))
        assert.sameDeepMembers(applied, [
          ...[input, output, late].map((stream) => ({ stream, version: 1 })),
          { processor: sums }
        ])
        assert.match(
          yield* topic(`${sums}-state`),
          /PartitionCount: 2.*cleanup\.policy=compact.*max\.message\.bytes=3145728/
        )
        for (const stream of [input, output, late]) {
          assert.match(yield* topic(stream), /PartitionCount: 2.*max\.message\.bytes=3145728/)
          assert.include(yield* topic(`${stream}-dlq`), "max.message.bytes=3145728")
        }
        for (const stream of [output, late]) {
          assert.deepStrictEqual(yield* Effect.promise(() => trino(`SELECT * FROM iceberg.default.${stream}`)), [])
        }
        assert.deepStrictEqual(JSON.parse(yield* succeeds("streams", "apply", "--json")), [])

        // As if apply had died before its last step.
        yield* Effect.promise(() => kafka("kafka-topics", "--delete", "--topic", `${sums}-state`))
        yield* Effect.promise(() =>
          until(
            "no state topic",
            () => kafka("kafka-topics", "--list"),
            (all) => !all.includes(`${sums}-state`)
          )
        )
        assert.deepStrictEqual(JSON.parse(yield* succeeds("streams", "apply", "--json")), [{ processor: sums }])

        const port = yield* freePort
        const server = yield* run(process.execPath, [built("server")], { ...env, FLOE_PORT: String(port) }, { cwd })
        yield* Effect.promise(() => server.printed(/listens on/))
        const post = (stream: string, body: string) =>
          Effect.promise(async () => {
            const response = await fetch(`http://localhost:${port}/streams/${stream}/events`, {
              method: "POST",
              headers: { "content-type": "application/json" },
              body
            })
            return { status: response.status, text: await response.text() }
          })
        for (const stream of [output, late]) {
          const { status, text } = yield* post(stream, "[]")
          assert.strictEqual(status, 405)
          assert.include(text, `The processor ${sums} writes the stream ${stream}, so clients cannot.`)
        }

        const processor = yield* run(process.execPath, [built("processor")], env, { cwd })
        yield* Effect.promise(() => processor.until((text) => text.split(" works.").length === 3))
        const devices = ["a", "b", "c", "d", "e", "f"]
        const events = [0, 1, 2].flatMap((minute) => devices.map((device) => event(device, minute, minute + 1)))
        assert.strictEqual((yield* post(input, `[${[...events, event("a", 0, 9)].join()}]`)).status, 200)
        const rows = yield* Effect.promise(() =>
          until(
            "two closed minutes of six devices",
            () => trino(`SELECT device, minute(minute), n FROM iceberg.default.${output} ORDER BY 1, 2`),
            (found) => found.length >= 12,
            { seconds: 120 }
          )
        )
        assert.deepStrictEqual(
          rows,
          devices.flatMap((device) => [
            [device, "0", "1"],
            [device, "1", "2"]
          ])
        )

        const [report] = JSON.parse(yield* succeeds("processor", "status", "--json"))
        assert.deepInclude(report, { processor: sums, state: "running", lag: 0, open: 6 })
        assert.isAtLeast(report.rows, 12)
        assert.isAbove(report.late, 0)
        assert.match(
          yield* succeeds("processor", "describe", sums),
          new RegExp(`^reads +${input}; 0 events behind$`, "m")
        )
        // The last offsets of the output are markers of transactions, which the sink never reaches.
        const { streams } = JSON.parse((yield* floe("status", "--json")).out)
        const ofOutput = streams.find((one: { readonly name: string }) => one.name === output)
        assert.strictEqual(ofOutput.lag.events, 0)
        assert.match(yield* succeeds("topics", "describe", output), /offsets 0 to \d+ \(at most \d+ events?\)/)
        const audited = yield* succeeds("audit", "--stream", output)
        assert.match(
          audited,
          new RegExp(
            `The processor ${sums}, run again over ${input} up to ${input}/0/\\d+, ${input}/1/\\d+:\n${output}: `
          )
        )
        assert.notMatch(audited, /would come|another order/)
        assert.notInclude(audited, "Log positions without")
        const tested = JSON.parse(yield* succeeds("processor", "test", sums, "--from-log", "--json"))
        for (const one of tested.streams) assert.deepInclude(one, { added: 0, removed: 0, firstAt: null })
        const open = JSON.parse(yield* succeeds("processor", "at", sums, "--time", "2100-01-01", "--json"))
        const [reported] = JSON.parse(yield* succeeds("processor", "status", "--json"))
        assert.lengthOf(open, reported.open)

        yield* succeeds("processor", "pause", sums)
        yield* Effect.promise(() => processor.until((text) => text.split(" is paused.").length === 3))
        assert.strictEqual((yield* post(input, `[${event("a", 3, 1)}]`)).status, 200)
        const [paused] = JSON.parse(yield* succeeds("processor", "status", "--json"))
        assert.deepInclude(paused, { state: "paused", lag: 1 })
        yield* succeeds("processor", "resume", sums)
        yield* Effect.promise(() => processor.until((text) => text.split(" works.").length === 5))

        const foreign = JSON.stringify({ device: "foreign", minute: "2026-11-27T10:00:00.000000Z", n: 7 })
        yield* written(output, [{ key: "foreign", value: Buffer.from(foreign) }])
        const found = yield* floe("audit", "--stream", output)
        assert.strictEqual(found.code, 1)
        assert.include(found.out, `${output}: 0 rows would come, 1 row would go`)
        assert.include(found.out, `\n  - ${foreign}\n`)
        assert.include(found.err, `The processor ${sums}, run again over its input, gives other rows`)

        declare(cwd, { key: "key: (event) => event.device," })
        assert.match(
          yield* refused("streams", "apply"),
          /its key was the stream's and is a function's now, and its state does not fit/
        )
        declare(cwd, { size: "2 minutes" })
        assert.match(
          yield* refused("streams", "apply"),
          /its window was .*60000.* and is .*120000.* now, and its state does not fit/
        )
        declare(cwd)
        yield* Effect.promise(() => kafka("kafka-topics", "--alter", "--topic", input, "--partitions", "3"))
        assert.match(
          yield* refused("streams", "apply"),
          new RegExp(
            `processor ${sums}: the topic of ${input} has 3 partitions, and had 2 when the processor was applied`
          )
        )
        assert.match(
          Object.values(yield* floe("doctor")).join(),
          new RegExp(`The topic ${input}, which the processor ${sums} reads, has 3 partitions, and had 2`)
        )
        assert.match(yield* refused("processor", "rebuild", sums), /another name and another output stream/)
      }),
    { timeout: 400_000 }
  )
})
