/** `npm run bench http`: durable GET /log and POST /events, compared with servers that do less, in the same run. */
import { run } from "./load.ts"
import { describe } from "./machine.ts"
import { answering, freePort, median, printed, rounded, start, stop, temporaryFolder } from "./programs.ts"

const rounds = 3
const folder = temporaryFolder()
const request = Buffer.from("GET /log?city=North%20Sharonstad&temperature=80.59 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

const floe = async () => {
  const port = await freePort()
  const child = start("dist/server.js", [], { FLOE_PORT: String(port), FLOE_DATA: `${folder}/data` })
  await answering(port, "/ready")
  return { child, port }
}

const floor = async (kind: string) => {
  const child = start("bench/floor.ts", [kind], { FLOE_DATA: folder })
  const [, port] = await printed(child, /listening on (\d+)/)
  return { child, port: Number(port) }
}

console.log(describe(folder))

const servers = { bare: await floor("bare"), fsync: await floor("fsync"), floe: await floe() }
const log = { bare: [], fsync: [], floe: [] } as Record<keyof typeof servers, Array<Awaited<ReturnType<typeof run>>>>
for (let round = 0; round < rounds; round++) {
  for (const name of ["bare", "fsync", "floe"] as const) {
    const { port } = servers[name]
    log[name].push(await run({ port, connections: 64, seconds: 5, warmUpSeconds: 2, request: () => request }))
  }
}
const rate = (name: keyof typeof servers) => median(log[name].map((_) => _.perSecond))
for (const name of ["bare", "fsync", "floe"] as const) {
  const p50 = median(log[name].map((_) => _.p50))
  const p99 = median(log[name].map((_) => _.p99))
  const refused = log[name].reduce((sum, _) => sum + _.refused, 0)
  console.log(
    `GET /log, 64 connections, ${name}: ${rounded(rate(name))} req/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${refused} not 200`
  )
}
console.log(
  `  of bare ${(rate("floe") / rate("bare")).toFixed(2)}, of fsync ${(rate("floe") / rate("fsync")).toFixed(2)}`
)

const records = Array.from({ length: 1000 }, (_, i) => ({ city: `North Sharonstad ${i}`, temperature: "80.59" }))
const body = Buffer.from(JSON.stringify(records))
const post = Buffer.concat([
  Buffer.from(
    `POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  ),
  body
])
const batches = await run({
  port: servers.floe.port,
  connections: 4,
  seconds: 8,
  warmUpSeconds: 2,
  request: () => post
})
console.log(
  `POST /events, 1,000 records a request, 4 connections: ${rounded(batches.perSecond * 1000)} records/s, p99 ${batches.p99.toFixed(1)} ms, ${batches.refused} not 200`
)

await Promise.all(Object.values(servers).map(({ child }) => stop(child)))
