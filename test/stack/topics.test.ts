/** `floe topics` and `floe tail`, compared with Kafka's own tools, on a topic with two partitions. */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { floe, startFloe } from "../support/program.ts"
import { docker, shell } from "./docker.ts"
import { until } from "./weather.ts"

const topic = `x-topics-${randomUUID()}`
const group = `${topic}-readers`
const env = { FLOE_PROFILE: "distributed", FLOE_TOPIC: topic, FLOE_PARTITIONS: "2" }
const run = (args: ReadonlyArray<string>, more: Record<string, string> = {}) =>
  Effect.runPromise(floe(args, { ...env, ...more }))
const printed = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await run(args)
  assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
  return out
}
const kafka = (line: string) => docker("exec", "kafka", "bash", "-c", line)
const broker = "--bootstrap-server localhost:9092"

/** Each has its own key, which decides the partition in Kafka's producer. */
const produce = (cities: ReadonlyArray<string>) => {
  const lines = cities.map(
    (city, i) => `'key${i}|${JSON.stringify({ city, temperature: `${i}.5`, ts: "2026-01-08-14" })}'`
  )
  const properties = "--property parse.key=true --property key.separator='|'"
  return kafka(`printf '%s\\n' ${lines.join(" ")} | kafka-console-producer ${broker} --topic ${topic} ${properties}`)
}

const early = Array.from({ length: 10 }, (_, i) => `early ${i}`)
const late = Array.from({ length: 10 }, (_, i) => `late ${i}`)
let made: unknown
/** Between the early and the late records. */
let between = new Date(0)

beforeAll(async () => {
  made = JSON.parse(await printed("topics", "create", "--json"))
  await produce(early)
  between = new Date()
  await produce(late)
})

afterAll(async () => {
  await kafka(
    `kafka-consumer-groups ${broker} --delete --group ${group}; kafka-topics ${broker} --delete --topic '${topic}.*'`
  )
})

interface Listed {
  readonly name: string
  readonly partitions: number
  readonly events: number
  readonly isAtMost?: boolean
  readonly retention: { readonly millis: number | null; readonly bytes: number | null; readonly cleanup: string }
}

interface Described {
  readonly id: string
  readonly partitions: ReadonlyArray<{ readonly partition: number; readonly start: number; readonly end: number }>
  readonly groups: ReadonlyArray<{
    readonly id: string
    readonly state: string
    readonly members: number
    readonly partitions: ReadonlyArray<{
      readonly partition: number
      readonly offset: number | null
      readonly lag: number | null
      readonly reader: { readonly id: string; readonly clientId: string; readonly host: string } | null
    }>
  }>
}

/** Rows of kafka-consumer-groups --describe, by the names in its header. */
const described = async (id: string) => {
  const [head = "", ...rows] = (await kafka(`kafka-consumer-groups ${broker} --describe --group ${id}`))
    .split("\n")
    .filter((line) => line.startsWith("GROUP") || line.startsWith(id))
  const names = head.split(/\s+/)
  return rows.map((row) => Object.fromEntries(row.split(/\s+/).map((value, i) => [names[i] ?? "", value])))
}

test("create makes what is missing, and list and describe show it", async () => {
  assert.deepStrictEqual(made, [
    { name: topic, made: true, differences: [] },
    { name: `${topic}-dlq`, made: true, differences: [] },
    { name: "control-iceberg", made: false, differences: [] }
  ])
  const listed: ReadonlyArray<Listed> = JSON.parse(await printed("topics", "list", "--json"))
  const names = (await kafka(`kafka-topics ${broker} --list`)).split("\n").filter((name) => /^(?!__)./.test(name))
  assert.includeMembers(
    listed.map(({ name }) => name),
    names.filter((name) => /^(weather|control-iceberg|connect-)/.test(name) || name.startsWith(topic))
  )
  const forEver = { millis: null, bytes: null, cleanup: "delete" }
  assert.deepInclude(listed, { name: topic, partitions: 2, events: 20, retention: forEver })
  const line = (await printed("topics", "list")).split("\n").find((line) => line.startsWith(` ${topic} `))
  assert.match(line ?? "", /\| +2 \| +20 \| forever$/)
  // The sink writes its control topic in transactions, whose markers take offsets.
  const control = listed.find(({ name }) => name === "control-iceberg")
  assert.isTrue(control?.isAtMost)
  const people = await printed("topics", "list")
  assert.match(people, /^ control-iceberg +\| +1 \| +at most \d+ /m)
})

test("describe shows a group's offsets and lag as Kafka's own tool does", async () => {
  await kafka(
    `kafka-console-consumer ${broker} --topic ${topic} --group ${group} --from-beginning --max-messages 3 --timeout-ms 30000`
  )
  const rows = await described(group)
  const { id, partitions, groups }: Described = JSON.parse(await printed("topics", "describe", "--json"))
  assert.include(await kafka(`kafka-topics ${broker} --describe --topic ${topic}`), `TopicId: ${id}`)
  assert.deepStrictEqual(
    partitions.map(({ partition, start, end }) => `${partition}: ${start} to ${end}`).sort(),
    rows.map((row) => `${row.PARTITION}: 0 to ${row["LOG-END-OFFSET"]}`).sort()
  )
  const [found, ...others] = groups
  assert.deepStrictEqual(others, [])
  assert.deepInclude(found, { id: group, state: "Empty", members: 0 })
  assert.deepStrictEqual(
    found?.partitions.map(({ partition, offset, lag, reader }) =>
      [partition, offset ?? "-", lag ?? "-", reader].join()
    ),
    rows.map((row) => [row.PARTITION, row["CURRENT-OFFSET"], row.LAG, null].join()).sort()
  )
  const read = (found?.partitions ?? []).reduce((sum, { offset }) => sum + (offset ?? 0), 0)
  assert.strictEqual(read, 3)

  const text = await printed("topics", "describe")
  assert.match(text, /^retention +forever$/m)
  for (const { partition, start, end } of partitions) {
    assert.match(
      text,
      new RegExp(`^partition ${partition} +offsets ${start} to ${end} \\(${end - start} events?\\), 1 replica$`, "m")
    )
  }
  for (const { partition, offset, lag } of found?.partitions ?? []) {
    if (offset !== null)
      assert.match(text, new RegExp(`^ +partition ${partition} {2}offset ${offset} {2}lag ${lag}$`, "m"))
  }
})

test("describe shows who reads a topic: the sink", async () => {
  const name = "connect-iceberg-sink"
  await until(
    "the same reader of partition 0 of weather from both",
    async () => {
      const row = (await described(name)).find(({ PARTITION }) => PARTITION === "0")
      const { groups }: Described = JSON.parse(await printed("topics", "describe", "weather", "--json"))
      const reader = groups.find(({ id }) => id === name)?.partitions[0]?.reader
      return {
        theirs: [row?.["CONSUMER-ID"], row?.["CLIENT-ID"], row?.HOST].join(" "),
        ours: [reader?.id, reader?.clientId, `/${reader?.host}`].join(" ")
      }
    },
    ({ theirs, ours }) => theirs === ours && ours.includes(`${name.slice("connect-".length)}-0`)
  )
})

test("a topic whose records expire is reported, with the command that fixes it", async () => {
  await kafka(
    `kafka-configs ${broker} --alter --topic ${topic} --add-config retention.ms=3600000,retention.bytes=1048576`
  )
  const listed: ReadonlyArray<Listed> = JSON.parse(await printed("topics", "list", "--json"))
  const { retention } = listed.find(({ name }) => name === topic) ?? {}
  assert.deepStrictEqual(retention, { millis: 3_600_000, bytes: 1_048_576, cleanup: "delete" })
  assert.match(await printed("topics", "describe"), /^retention +1h, 1\.0 MiB a partition$/m)

  const output = await printed("topics", "create")
  const command =
    /does not keep its records forever \(retention\.ms=3600000,retention\.bytes=1048576\); (kafka-configs .*) fixes that\.$/m
  const [, fix = ""] = command.exec(output) ?? []
  assert.include(fix, topic)
  await kafka(fix)
  const settings = await kafka(`kafka-configs ${broker} --describe --topic ${topic}`)
  assert.match(settings, /retention\.ms=-1 /)
  assert.match(settings, /retention\.bytes=-1 /)
  assert.include(await printed("topics", "create"), `The topic ${topic} already exists.\n`)
})

test("tail --from a time begins there in each partition", async () => {
  await Effect.runPromise(
    Effect.gen(function* () {
      const tail = yield* startFloe(["tail", "--from", between.toISOString(), "--json"], env)
      yield* Effect.promise(() => tail.until((output) => late.every((city) => output.includes(`"${city}"`))))
      tail.signal("SIGINT")
      assert.deepStrictEqual(yield* Effect.promise(() => tail.ended), { code: 130, signal: null })
      const events: ReadonlyArray<{ readonly partition: number; readonly city: string }> = tail
        .output()
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(events.map(({ city }) => city).sort(), late)
      assert.deepStrictEqual([...new Set(events.map(({ partition }) => partition))].sort(), [0, 1])
    }).pipe(Effect.scoped)
  )
})

test("tail --from an offset begins there in each partition, and with a partition in that one alone", async () => {
  await Effect.runPromise(
    Effect.gen(function* () {
      const each = yield* startFloe(["tail", "--from", "0", "--json"], env)
      const one = yield* startFloe(["tail", "--from", `${topic}/1/0`, "--json"], env)
      const all = [...early, ...late]
      yield* Effect.promise(() => each.until((output) => all.every((city) => output.includes(`"${city}"`))))
      yield* Effect.promise(() => one.until((output) => output.includes("\n")))
      const lines = one.output().split("\n").slice(0, -1)
      const partitions = lines.map((line): unknown => JSON.parse(line).partition)
      assert.deepStrictEqual([...new Set(partitions)], [1])
    }).pipe(Effect.scoped)
  )
  assert.deepStrictEqual(await run(["tail", "--from", "weather/0/0"]), {
    code: 1,
    out: "",
    err: `The log is the topic ${topic}, not weather; set FLOE_TOPIC to read another topic.\n`
  })
})

test("what cannot be done is reported in a sentence", async () => {
  for (const command of ["list", "describe", "create"]) {
    const wait = command === "create" ? ["--wait", "0"] : []
    const { code, out, err } = await run(["topics", command, ...wait], { FLOE_KAFKA_BROKERS: "localhost:1" })
    assert.deepStrictEqual({ code, out }, { code: 1, out: "" }, command)
    assert.match(
      err,
      /^The topics cannot be reached \(\w+\): no broker answers at .*; check FLOE_KAFKA_BROKERS .*\.\n$/
    )
  }
  const missing = await run(["topics", "describe", `${topic}-missing`])
  assert.deepStrictEqual(missing, {
    code: 1,
    out: "",
    err: `The topic ${topic}-missing does not exist; run floe topics create to create the topics of the pipeline.\n`
  })
})

test("list into a pipe that closes", async () => {
  const line = `FLOE_PROFILE=distributed '${process.execPath}' bin/floe.js topics list | head -n 1; echo "\${PIPESTATUS[0]}"`
  assert.match(await shell(`{ ${line}; } 2>&1`), /^ name +\| partitions \| +events \| retention *\n0\n$/)
})
