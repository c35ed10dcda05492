/** `npm run bench freshness`: time from the server's answer until the record is in the table's current snapshot, at 1,000 records/s. */
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Option } from "effect"
import { readTable } from "../test/support/readTable.ts"
import { describe } from "./machine.ts"
import { answering, freePort, rounded, start, stop, temporaryFolder } from "./programs.ts"

const perSecond = 1000
const seconds = 60
const folder = temporaryFolder()
const data = join(folder, "data")
console.log(describe(folder))

const port = await freePort()
const server = start("dist/server.js", [], { FLOE_PORT: String(port), FLOE_DATA: data })
const sink = start("dist/sink.js", [], { FLOE_DATA: data })
await answering(port, "/ready")

const accepted: Array<number> = []
const send = async (n: number) => {
  const answer = await fetch(`http://127.0.0.1:${port}/log?city=City%20${n}&temperature=${(n % 12_000) / 100}`)
  await answer.arrayBuffer()
  accepted[Number(answer.headers.get("floe-position")?.split("/").at(-1))] = performance.now()
}

const visible: Array<number> = []
let done = false
const table = join(data, "warehouse", "default", "weather")
const watch = async () => {
  while (!done || visible.length < perSecond * seconds) {
    const found = await Effect.runPromise(Effect.orElseSucceed(readTable(table), () => Option.none()))
    const now = performance.now()
    const end = Option.isSome(found) ? (found.value.progress?.offset ?? 0) : 0
    while (visible.length < end) visible.push(now)
    await delay(10)
  }
}

const watching = watch()
const sending: Array<Promise<void>> = []
const started = performance.now()
for (let n = 0; n < perSecond * seconds; n++) {
  const wait = started + (n * 1000) / perSecond - performance.now()
  if (wait > 1) await delay(wait)
  sending.push(send(n))
}
await Promise.all(sending)
done = true
await watching
const latencies = visible.map((at, n) => at - (accepted[n] ?? Number.NaN)).sort((a, b) => a - b)
const at = (q: number) => ((latencies[Math.floor(latencies.length * q)] ?? Number.NaN) / 1000).toFixed(2)
console.log(
  `accept to queryable, ${rounded(perSecond)} records/s for ${seconds} s, commit interval 1 s: p50 ${at(0.5)} s, p99 ${at(0.99)} s, most ${at(0.99999)} s`
)
await Promise.all([stop(server), stop(sink)])
