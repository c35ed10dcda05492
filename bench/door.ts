/** `npm run bench door`: durable POSTs of 1,000 events of 8 typed columns, to one stream and to 20 at once. */
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Layer } from "effect"
import * as StreamsLayer from "../layers/log/sqlite/Streams.ts"
import * as DataFolder from "../layers/runtime/DataFolder.ts"
import { Streams } from "../services/Streams.ts"
import { run } from "./load.ts"
import { describe } from "./machine.ts"
import { answering, freePort, median, rounded, start, stop, temporaryFolder } from "./programs.ts"
import { readings, readingsOf } from "./readings.ts"

const events = 1000
const streams = 20
const rounds = 3
const folder = temporaryFolder()
const data = join(folder, "data")
console.log(describe(folder))

const port = await freePort()
const server = start("dist/server.js", [], { FLOE_PORT: String(port), FLOE_DATA: data })
await answering(port, "/ready")

const nameOf = (n: number) => `readings_${n}`
const recorded = Effect.gen(function* () {
  const { record } = yield* Streams
  for (let n = 0; n < streams; n++) {
    const definition = { ...readings, name: nameOf(n) }
    yield* record({ definition, version: 1, ids: {}, lastId: 0, appliedAt: 0 })
  }
})
await Effect.runPromise(recorded.pipe(Effect.provide(StreamsLayer.layer.pipe(Layer.provide(DataFolder.at(data))))))
while ((await fetch(`http://127.0.0.1:${port}/streams/${nameOf(streams - 1)}`)).status !== 200) await delay(100)

const bodies = Array.from({ length: 20 }, () => Buffer.from(JSON.stringify(readingsOf(events))))
const requestsTo = (count: number) =>
  Array.from({ length: 20 * count }, (_, i) => {
    const body = bodies[i % bodies.length] ?? Buffer.alloc(0)
    const head = `POST /streams/${nameOf(i % count)}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head), body])
  })

const measured = (count: number) => {
  const requests = requestsTo(count)
  return run({
    port,
    connections: 4,
    seconds: 5,
    warmUpSeconds: 2,
    request: (n) => requests[n % requests.length] ?? Buffer.alloc(0)
  })
}

const one: Array<Awaited<ReturnType<typeof run>>> = []
const many: Array<Awaited<ReturnType<typeof run>>> = []
for (let round = 0; round < rounds; round++) {
  one.push(await measured(1))
  many.push(await measured(streams))
}
const rate = (results: typeof one) => median(results.map(({ perSecond }) => perSecond * events))
const line = (name: string, results: typeof one) =>
  `POST of ${rounded(events)} events of 8 columns, 4 connections, ${name}: ${rounded(rate(results))} events/s, ` +
  `p99 ${median(results.map(({ p99 }) => p99)).toFixed(1)} ms, ${results.reduce((sum, { refused }) => sum + refused, 0)} not 200`
console.log(line("one stream", one))
console.log(line(`${streams} streams at once`, many))
console.log(
  `  ${streams} streams of one ${median(many.map((result, i) => result.perSecond / (one[i]?.perSecond ?? Number.NaN))).toFixed(2)}`
)
await stop(server)
