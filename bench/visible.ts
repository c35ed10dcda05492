/**
 * `npm run bench visible [probes]`: time from the logging server's answer 200 until a query through Trino sees the
 * record. Needs the unchanged stack of compose.yaml, where the generator also runs.
 */
import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import { Schema } from "effect"
import { describe } from "./machine.ts"
import { temporaryFolder } from "./programs.ts"

const probes = Number(process.argv[3] ?? 120)
const trino = process.env.FLOE_TRINO_URL ?? "http://localhost:8080"
const mark = `probe-${randomUUID()}`

const Page = Schema.Struct({
  nextUri: Schema.optionalKey(Schema.String),
  data: Schema.optionalKey(Schema.Array(Schema.Array(Schema.String))),
  error: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
})

const page = async (url: string, sql?: string) => {
  const asking = sql === undefined ? {} : { method: "POST", body: sql, headers: { "X-Trino-User": "bench" } }
  return Schema.decodeUnknownSync(Page)(await (await fetch(url, asking)).json())
}

/** The first column of the statement's rows, over Trino's HTTP protocol. */
const query = async (sql: string) => {
  const found: Array<string> = []
  let { nextUri, data = [], error } = await page(`${trino}/v1/statement`, sql)
  while (true) {
    if (error !== undefined) throw new Error(error.message)
    for (const [value = ""] of data) found.push(value)
    if (nextUri === undefined) return found
    ;({ nextUri, data = [], error } = await page(nextUri))
  }
}

console.log(describe(temporaryFolder()))
const acknowledged = new Map<string, number>()
const latencies: Array<number> = []
const sending = async () => {
  for (let i = 0; i < probes; i++) {
    const city = `${mark} ${i}`
    const response = await fetch(`http://localhost:9998/log?city=${encodeURIComponent(city)}&temperature=1`)
    if (response.status !== 200) throw new Error(`the logging server answered ${response.status}`)
    acknowledged.set(city, performance.now())
    // A random delay, so that probes are not in step with the commits.
    await delay(500 + Math.random() * 500)
  }
}
const sent = sending()
while (latencies.length < probes) {
  const cities = await query(`SELECT city FROM iceberg.default.weather WHERE city LIKE '${mark} %'`)
  const now = performance.now()
  for (const city of cities) {
    const since = acknowledged.get(city)
    if (since === undefined) continue
    acknowledged.delete(city)
    latencies.push(now - since)
  }
  await delay(200)
}
await sent
latencies.sort((a, b) => a - b)
const at = (q: number) => ((latencies[Math.floor(latencies.length * q)] ?? Number.NaN) / 1000).toFixed(1)
console.log(
  `accepted → visible in Trino, ${probes} records: p50 ${at(0.5)} s, p99 ${at(0.99)} s, most ${at(1 - 1 / probes)} s`
)
