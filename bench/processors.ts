/**
 * `npm run bench processors [events]`: tumbling, hopping and session windows over a typed log on disk, in transactions of
 * 20,000 events; by the clock, and by the CPU time of the process, which other programs disturb less.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { firstVersion } from "../layers/declaration/assignIds.ts"
import { compileStreams } from "../layers/declaration/compileStreams.ts"
import * as LogWriter from "../layers/log/sqlite/LogWriter.ts"
import { bind } from "../layers/process/bind.ts"
import * as InputLog from "../layers/process/InputLog.ts"
import * as Runner from "../layers/process/Runner.ts"
import * as SqliteStore from "../layers/process/sqlite/Store.ts"
import { placesIn } from "../layers/runtime/DataFolder.ts"
import { Column, Processor, Stream, Window } from "../streams/index.ts"
import { rounded } from "./programs.ts"

const count = Number(process.argv[3] ?? 1_000_000)
const logId = "018f4e1c-5a57-7d9a-b0a1-3c2d4e5f6a7b"
const chunk = 1_000
const batch = 20_000

const Readings = Stream.make("readings", {
  schema: Schema.Struct({
    device: Column.uuid,
    at: Column.timestamptz,
    celsius: Schema.Finite,
    humidity: Schema.Finite,
    battery: Column.int,
    place: Schema.String,
    ok: Schema.Boolean,
    seq: Column.int
  }),
  key: "device"
})
type Reading = typeof Readings.schema.Type
const Means = Stream.make("means", {
  schema: Schema.Struct({ device: Column.uuid, hour: Column.timestamptz, readings: Column.int, mean: Schema.Finite })
})
const State = Schema.Struct({ n: Column.int, sum: Schema.Finite })
type State = typeof State.Type
const common = {
  from: Readings,
  time: (r: Reading) => r.at,
  outOfOrder: "1 minute",
  state: State,
  zero: { n: 0, sum: 0 },
  add: (s: State, r: Reading) => ({ n: s.n + 1, sum: s.sum + r.celsius }),
  to: Means,
  emit: (device: string, w: Processor.Span, s: State) => ({ device, hour: w.start, readings: s.n, mean: s.sum / s.n })
} as const

/** Kind, the number of devices, and the milliseconds from event to event. */
const kinds = [
  { kind: "tumbling", devices: 1_000, step: 36, processor: { ...common, window: Window.tumbling("1 hour") } },
  {
    kind: "hopping",
    devices: 1_000,
    step: 36,
    processor: { ...common, window: Window.hopping("1 hour", { every: "15 minutes" }) }
  }
].map(({ processor, ...rest }) => ({ ...rest, processor: Processor.window("bench", processor) }))
const sessions = Processor.window("bench", {
  ...common,
  window: Window.session("5 minutes"),
  merge: (a, b) => ({ n: a.n + b.n, sum: a.sum + b.sum })
})

/** A thousandth is two hours late, the others up to a minute out of order. */
const fill = (folder: ReturnType<typeof placesIn>, devices: number, step: number) => {
  let seed = 1
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed / 2_147_483_648
  }
  const start = Date.UTC(2026, 10, 1)
  const writer = LogWriter.open(folder, logId)
  for (let i = 0; i < count; i += batch) {
    const records = Array.from({ length: batch }, (_, j) => {
      const at = start + (i + j) * step - (random() < 0.001 ? 7_200_000 : Math.floor(random() * 60_000))
      return JSON.stringify({
        device: `8f14e45f-ceea-467f-9f0a-${String(Math.floor(random() * devices)).padStart(12, "0")}`,
        at: new Date(at).toISOString().replace("Z", "000Z"),
        celsius: Math.round(random() * 400) / 10,
        humidity: Math.round(random() * 1000) / 10,
        battery: 80,
        place: "Berlin",
        ok: true,
        seq: i + j
      })
    })
    writer.write(
      [{ append: { stream: "readings", schemaVersion: 1, records }, acceptedAt: start + (i + batch) * step }],
      0
    )
  }
  writer.close()
}

const measure = (processor: Processor.Processor, devices: number, step: number) => {
  const root = mkdtempSync(join(import.meta.dirname, "processors-"))
  try {
    const folder = placesIn(root)
    fill(folder, devices, step)
    mkdirSync(folder.processors)
    const compiled = compileStreams({ Readings, Means, processor })
    if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
    const [definition] = compiled.compiled.processors ?? []
    const applied = compiled.compiled.streams.map((stream) => firstVersion(stream, 0))
    const [late, means, readings] = applied
    if (definition === undefined || late === undefined || means === undefined || readings === undefined) {
      throw new Error("a stream is missing")
    }
    const store = SqliteStore.open({ folder, logId, definition, output: means, late })
    const runner = Runner.make(bind(processor, definition, [readings], means.definition), store)
    const input = InputLog.open(folder, "readings", undefined)
    const before = process.cpuUsage()
    const started = performance.now()
    while (runner.next() < count) {
      for (let i = 0; i < batch; i += chunk) runner.add(input.events(runner.next(), chunk))
      runner.commit()
    }
    const seconds = (performance.now() - started) / 1000
    const { system, user } = process.cpuUsage(before)
    input.close()
    store.close()
    return { byClock: count / seconds, byCpu: (count / (user + system)) * 1e6 }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

for (const { devices, kind, processor, step } of [
  ...kinds,
  { kind: "session", devices: 5_000, step: 200, processor: sessions }
]) {
  const { byClock, byCpu } = measure(processor, devices, step)
  console.log(`${kind}: ${rounded(byClock)} events/s, ${rounded(byCpu)} events per second of CPU time`)
}
