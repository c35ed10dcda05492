/**
 * `npm run bench kafka`: GET /log and POST /events acknowledged by Kafka, compared with servers and a client that do less,
 * in the same run. Needs the stack of compose.yaml. For the comparison with Flask, PYTHON names a Python interpreter that
 * has the packages of bench/flask/requirements.txt.
 */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { deadLettersOf } from "../services/Topics.ts"
import { remove } from "../test/stack/kafkaTopic.ts"
import { run } from "./load.ts"
import { describe } from "./machine.ts"
import {
  answering,
  finished,
  freePort,
  median,
  printed,
  rounded,
  spawned,
  start,
  stop,
  temporaryFolder
} from "./programs.ts"

const rounds = 3
const brokers = process.env.FLOE_KAFKA_BROKERS ?? "localhost:9092"
const python = process.env.PYTHON
const topic = `bench-${randomUUID()}`
const folder = temporaryFolder()
const request = Buffer.from("GET /log?city=North%20Sharonstad&temperature=80.59 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
const env = { FLOE_PROFILE: "distributed", FLOE_KAFKA_BROKERS: brokers, FLOE_TOPIC: topic }

const floe = async () => {
  const port = await freePort()
  const child = start("dist/server.js", [], { ...env, FLOE_PORT: String(port) })
  await answering(port, "/ready")
  return { child, port }
}

const floor = async () => {
  const child = start("bench/floor.ts", ["bare"], { FLOE_DATA: folder })
  const [, port] = await printed(child, /listening on (\d+)/)
  return { child, port: Number(port) }
}

const flask = async (python: string) => {
  const port = await freePort()
  const args = [
    "-m",
    "gunicorn",
    "--chdir",
    "bench/flask",
    "--workers",
    "1",
    "--threads",
    "16",
    "--bind",
    `127.0.0.1:${port}`
  ]
  const child = spawned(python, [...args, "--log-level", "error", "server:app"], env)
  await answering(port, "/health")
  return { child, port }
}

console.log(describe(folder))
await finished("dist/admin.js", ["topics", "create"], env)

const servers = new Map([
  ["bare", await floor()],
  ["floe", await floe()]
])
if (python !== undefined) servers.set("flask", await flask(python))

const results = new Map([...servers.keys()].map((name) => [name, [] as Array<Awaited<ReturnType<typeof run>>>]))
for (let round = 0; round < rounds; round++) {
  for (const [name, { port }] of servers) {
    results.get(name)?.push(await run({ port, connections: 64, seconds: 5, warmUpSeconds: 2, request: () => request }))
  }
}
const rate = (name: string) => median((results.get(name) ?? []).map((_) => _.perSecond))
for (const [name, runs] of results) {
  const p50 = median(runs.map((_) => _.p50))
  const p99 = median(runs.map((_) => _.p99))
  const refused = runs.reduce((sum, _) => sum + _.refused, 0)
  console.log(
    `GET /log, 64 connections, ${name}: ${rounded(rate(name))} req/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${refused} not 200`
  )
}
console.log(
  `  of bare ${(rate("floe") / rate("bare")).toFixed(2)}; times Flask ${(rate("floe") / rate("flask")).toFixed(1)}`
)

const records = Array.from({ length: 1000 }, (_, i) => ({ city: `North Sharonstad ${i}`, temperature: "80.59" }))
const body = Buffer.from(JSON.stringify(records))
const head = `POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
const post = Buffer.concat([Buffer.from(head), body])
const port = servers.get("floe")?.port ?? 0
const events: Array<number> = []
const bare: Array<number> = []
for (let round = 0; round < rounds; round++) {
  const batches = await run({ port, connections: 4, seconds: 6, warmUpSeconds: 2, request: () => post })
  events.push(batches.perSecond * 1000)
  bare.push(Number.parseInt(await finished("bench/bareKafka.ts", [brokers, topic, "6"], {}), 10))
}
console.log(
  `POST /events, 1,000 records a request, 4 connections: ${rounded(median(events))} records/s; the Kafka client alone ${rounded(median(bare))}: ${(median(events) / median(bare)).toFixed(2)}`
)

await Promise.all([...servers.values()].map(({ child }) => stop(child)))
// The topics would never expire.
for (const name of [topic, deadLettersOf(topic)]) await Effect.runPromise(remove(name))
