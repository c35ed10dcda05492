/** A stream of the user's own through Kafka Connect: what reaches its table, what becomes a dead letter, and its rebuild. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { floe as command } from "../support/program.ts"
import { docker, shell } from "./docker.ts"
import { removeStreams } from "./removedStreams.ts"
import { trino, until } from "./weather.ts"

const stream = `connect_${process.pid}`
const again = `${stream}_again`
const folder = mkdtempSync(join(tmpdir(), "floe-stream-sink-"))
const module = join(folder, "floe.streams.ts")
const limit = { timeout: 300_000 }

const declare = (fields: string) =>
  writeFileSync(
    module,
    `import { Schema } from "effect"
import { Column, Partition, Stream } from "floe"
export const It = Stream.make("${stream}", {
  schema: Schema.Struct({ id: Column.int, measuredAt: Column.timestamptz, ${fields} }),
  partitionBy: [Partition.day("measuredAt")]
})
`
  )

const floe = (...args: ReadonlyArray<string>) =>
  Effect.runPromise(command(args, { FLOE_PROFILE: "distributed", FLOE_STREAMS: module }))

const succeeds = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await floe(...args)
  assert.strictEqual(code, 0, `${args.join(" ")}: ${out}${err}`)
  return out
}

/** Writes lines straight into the topic, as another producer does. */
const produce = (lines: ReadonlyArray<string>) => {
  const file = join(folder, "lines")
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""))
  return shell(
    `docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic ${stream} < ${file}`
  )
}

const endOf = async (topic: string) =>
  Number(
    (await docker("exec", "kafka", "kafka-get-offsets", "--bootstrap-server", "localhost:9092", "--topic", topic))
      .trim()
      .split(":")[2]
  )

const at = `"measuredAt":"2026-11-27T10:11:12.500000Z"`
const event = (id: number, more = "") => `{"id":${id},${at}${more}}`
const rows = (table = stream) => trino(`SELECT id, measuredat, n FROM iceberg.default.${table} ORDER BY id`)
const landed = (count: number) =>
  until(
    `${count} rows in ${stream}`,
    () => rows(),
    (found) => found.length >= count,
    { seconds: 180 }
  )
const row = (id: number, n = "") => [String(id), "2026-11-27 10:11:12.500000 UTC", n]

beforeAll(() => declare("n: Schema.optionalKey(Column.int)"))

afterAll(async () => {
  await fetch(`http://localhost:8083/connectors/replay-${again}`, { method: "DELETE" })
  await trino(`DROP TABLE IF EXISTS iceberg.default.${again}`)
  await removeStreams([stream])
  rmSync(folder, { recursive: true })
}, 120_000)

test("canonical events of another producer are rows, and everything else is a dead letter", limit, async () => {
  await succeeds("streams", "apply")
  const wrong = [event(3, ',"n":1.0'), event(3, ',"n":4294967297'), event(3, ',"N":1'), '{"id":3}', "hello", "42", ""]
  await produce([event(1), ...wrong, event(2, ',"n":-7')])
  assert.deepStrictEqual(await landed(2), [row(1), row(2, "-7")])
  assert.strictEqual(await endOf(`${stream}-dlq`), wrong.length)
  assert.include(await succeeds("connector", "status", `iceberg-sink-${stream}`), "task 0  RUNNING")
})

test("after a change, events of both versions are rows", limit, async () => {
  declare("n: Schema.optionalKey(Column.long), s: Schema.optionalKey(Schema.String)")
  await succeeds("streams", "apply")
  await produce([event(4, ',"n":5'), event(5, ',"n":"9223372036854775807","s":"x"')])
  assert.deepStrictEqual((await landed(4)).slice(2), [row(4, "5"), row(5, "9223372036854775807")])
  assert.include(await succeeds("connector", "register", `iceberg-sink-${stream}`), "already has these settings")
})

test("its table is rebuilt from its topic and promoted, and the sink goes on", limit, async () => {
  await until(
    "a row removed by somebody",
    () => trino(`DELETE FROM iceberg.default.${stream} WHERE id = 4`),
    () => true
  )
  const promoting = ["rebuild", "--stream", stream, "--into", again, "--promote"]
  const refused = await floe(...promoting)
  assert.include(refused.err, `Another program changed default.${stream} (`)
  const out = await succeeds(...promoting, "--discard-other-writers")
  assert.include(out, `default.${again} is in place of default.${stream}: 4 rows`)
  assert.deepStrictEqual(await rows(again), [row(1), row(2, "-7"), row(4, "5"), row(5, "9223372036854775807")])
  await produce([event(6)])
  assert.deepStrictEqual(await landed(5), [...(await rows(again)), row(6)])
  const missing = await floe("rebuild", "--stream", "weather", "--into", stream)
  assert.include(missing.err, `${stream} is the table of the stream ${stream}; choose another name.`)
})
