/**
 * `npm run bench kafka [rounds]`: GET /log and POSTs acknowledged by Kafka, compared with servers and a client that do less or the same,
 * in turn. Needs the stack of compose.yaml, and Go (GO names the command) for the server of bench/peer. For the comparison
 * with Flask, PYTHON names a Python interpreter that has the packages of bench/flask/requirements.txt.
 */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { deadLettersOf } from "../services/Topics.ts"
import { remove } from "../test/stack/kafkaTopic.ts"
import { bare, flask, floe, peers, processorSeconds, type Server } from "./kafkaServers.ts"
import { recorded } from "./kafkaStream.ts"
import { type LoadResult, run } from "./load.ts"
import { describe } from "./machine.ts"
import { finished, median, rounded, stop, temporaryFolder } from "./programs.ts"
import { readingsOf } from "./readings.ts"

const rounds = Number(process.argv[3] ?? 3)
const seconds = 5
const warmUpSeconds = 2
const brokers = process.env.FLOE_KAFKA_BROKERS ?? "localhost:9092"
const python = process.env.PYTHON
const topic = `bench-${randomUUID()}`
const stream = `bench_${randomUUID().replaceAll("-", "")}`
const folder = temporaryFolder()
const target = { brokers, topic, folder }

console.log(describe(folder))
const settings = { FLOE_PROFILE: "distributed", FLOE_KAFKA_BROKERS: brokers, FLOE_TOPIC: topic }
await finished("dist/admin.js", ["topics", "create"], settings)
const forget = await recorded(stream)

interface Measured extends LoadResult {
  /** Processor time of the server in microseconds, of the warm-up too. */
  readonly micros: number
}

const measure = async (server: Server, connections: number, request: Buffer): Promise<Measured> => {
  const before = processorSeconds(server)
  let sent = 0
  const counted = () => {
    sent++
    return request
  }
  const result = await run({ port: server.port, connections, seconds, warmUpSeconds, request: counted })
  return { ...result, micros: ((processorSeconds(server) - before) * 1e6) / sent }
}

const of = (results: ReadonlyArray<Measured>, field: keyof Measured) => median(results.map((one) => one[field]))
const lineOf = (results: ReadonlyArray<Measured>) =>
  `p50 ${of(results, "p50").toFixed(2)} ms, p99 ${of(results, "p99").toFixed(2)} ms, ` +
  `${of(results, "micros").toFixed(1)} µs of processor time a request, ${results.reduce((sum, { refused }) => sum + refused, 0)} not 200`

const get = Buffer.from("GET /log?city=North%20Sharonstad&temperature=80.59 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
const posting = (path: string, events: ReadonlyArray<unknown>) => {
  const body = Buffer.from(JSON.stringify(events))
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}
const weather = Array.from({ length: 1000 }, (_, i) => ({ city: `North Sharonstad ${i}`, temperature: "80.59" }))

const measured = async (servers: ReadonlyArray<Server>, server: Server) => {
  for (const connections of [64, 256]) {
    const results = new Map(servers.map(({ name }) => [name, [] as Array<Measured>]))
    for (let round = 0; round < rounds; round++) {
      for (const server of servers) results.get(server.name)?.push(await measure(server, connections, get))
    }
    const rate = (name: string) => of(results.get(name) ?? [], "perSecond")
    for (const [name, of] of results) {
      console.log(`GET /log, ${connections} connections, ${name}: ${rounded(rate(name))} req/s, ${lineOf(of)}`)
    }
    const best =
      [...results.keys()].filter((name) => name.startsWith("benthos")).sort((a, b) => rate(b) - rate(a))[0] ?? ""
    const times = (name: string) => (rate("floe") / rate(name)).toFixed(2)
    const flaskTimes = python === undefined ? "" : `; ${times("flask")} times Flask`
    console.log(`  ${times(best)} times ${best}; ${times("bare")} of bare${flaskTimes}`)
  }

  const posts = [
    { path: "/events", events: weather, kind: "weather", topic },
    { path: `/streams/${stream}/events`, events: readingsOf(1000), kind: "readings", topic: stream }
  ]
  for (const { path, events, kind, topic } of posts) {
    const request = posting(path, events)
    const results: Array<Measured> = []
    const alone: Array<number> = []
    let micros = ""
    for (let round = 0; round < rounds; round++) {
      results.push(await measure(server, 4, request))
      const [perSecond, each] = (
        await finished("bench/bareKafka.ts", [brokers, topic, String(seconds), kind], {})
      ).split("\n")
      alone.push(Number.parseInt(perSecond ?? "", 10))
      micros = each ?? ""
    }
    const rate = 1000 * of(results, "perSecond")
    console.log(
      `POST of 1,000 events of ${kind}, 4 connections: ${rounded(rate)} events/s, ${lineOf(results)}; ` +
        `the Kafka client alone: ${rounded(median(alone))} events/s, ${micros}`
    )
    console.log(`  ${(rate / median(alone)).toFixed(2)} of the client`)
  }
}

const servers: Array<Server> = []
try {
  const server = await floe(target)
  servers.push(server, await bare(target))
  await peers(target, process.env.GO ?? "go", servers)
  if (python !== undefined) servers.push(await flask(target, python))
  await measured(servers, server)
} finally {
  await Promise.all(servers.map(({ child }) => stop(child)))
  await forget()
  // The topics would never expire.
  for (const name of [topic, deadLettersOf(topic)]) await Effect.runPromise(remove(name))
}
