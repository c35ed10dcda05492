/** Messages from others that are not weather events go to the dead letters, and the records beside them reach the table. */
import { randomUUID } from "node:crypto"
import { assert, test } from "vitest"
import { docker, shell } from "./docker.ts"
import { landed, log, trino, until } from "./weather.ts"

const poisons = (mark: string) => ({
  "broken bytes": "\\xff\\xfe{",
  "not JSON": `${mark} hello`,
  "a number": "42",
  "an array": `["${mark}"]`,
  "an object for a field": `{"city":{"a":"${mark}"},"temperature":"1","ts":"2026-01-08-14"}`,
  "a number for a field": `{"city":"${mark}","temperature":1,"ts":"2026-01-08-14"}`,
  "a missing field": `{"city":"${mark}","temperature":"1"}`,
  "null for a field": `{"city":"${mark}","temperature":"1","ts":null}`,
  "the value null": "null"
})

/** Uses the console producer, which sends lines; printf produces the bytes that are not text. */
const produce = (value: string) =>
  shell(
    `printf '${value.replaceAll("'", "'\\''")}\\n' | docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic weather`
  )

const deadLetters = () =>
  docker(
    "exec",
    "kafka",
    "bash",
    "-c",
    "kafka-console-consumer --bootstrap-server localhost:9092 --topic weather-dlq --from-beginning --timeout-ms 6000 --property print.headers=true --property print.offset=true 2>/dev/null || true"
  )

const lines = (text: string) => text.split("\n").filter((line) => line.startsWith("Offset:"))

test("poisoned messages are rejected with their context, one by one", { timeout: 400_000 }, async () => {
  const mark = `poison-${randomUUID()}`
  const before = lines(await deadLetters()).length
  const all = Object.entries(poisons(mark))
  const good = []
  for (const [i, [, value]] of all.entries()) {
    good.push(await log({ city: `${mark} ${i}`, temperature: "1.5" }))
    await produce(value)
  }
  good.push(await log({ city: `${mark} last`, temperature: "1.5" }))
  // A tombstone, which has no value.
  await shell(
    "echo 'k:NULL' | docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic weather --property parse.key=true --property key.separator=: --property null.marker=NULL"
  )
  const { rows, wanted } = await landed(mark, good)
  assert.deepStrictEqual(rows, wanted)
  const letters = await until("the dead letters", deadLetters, (text) => lines(text).length >= before + all.length + 1)
  const rejected = lines(letters).slice(before)
  assert.strictEqual(rejected.length, all.length + 1)
  const offsets = new Set(rejected.map((line) => /__connect\.errors\.offset:(\d+)/.exec(line)?.[1]))
  assert.strictEqual(offsets.size, all.length + 1, "each of them once")
  for (const line of rejected) {
    assert.include(line, "__connect.errors.topic:weather")
    assert.include(line, "__connect.errors.connector.name:iceberg-sink")
    assert.match(line, /__connect\.errors\.exception\.message:[^,]+/)
    assert.match(line, /__connect\.errors\.offset:\d+/)
  }
  assert.deepStrictEqual(await trino(`SELECT * FROM iceberg.default.weather WHERE city = '${mark}'`), [])
})
