/**
 * `npm run bench processors [events]`: tumbling, hopping and session windows over a typed log on disk, in transactions of
 * 20,000 events; by the clock, and by the CPU time of the process, which other programs disturb less.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { firstVersion } from "../layers/declaration/assignIds.ts"
import { compileStreams } from "../layers/declaration/compileStreams.ts"
import * as LogWriter from "../layers/log/sqlite/LogWriter.ts"
import { bind } from "../layers/process/bind.ts"
import * as InputLog from "../layers/process/InputLog.ts"
import * as Runner from "../layers/process/Runner.ts"
import * as SqliteStore from "../layers/process/sqlite/Store.ts"
import { placesIn } from "../layers/runtime/DataFolder.ts"
import { Processor, Window } from "../streams/index.ts"
import { batchesOf, common, Means, Readings } from "./hourlyMeans.ts"
import { rounded } from "./programs.ts"

const count = Number(process.argv[3] ?? 1_000_000)
const logId = "018f4e1c-5a57-7d9a-b0a1-3c2d4e5f6a7b"
const chunk = 1_000
const batch = 20_000

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

const fill = (folder: ReturnType<typeof placesIn>, devices: number, step: number) => {
  const writer = LogWriter.open(folder, logId)
  for (const { acceptedAt, records } of batchesOf(count, batch, devices, step)) {
    writer.write([{ append: { stream: "readings", schemaVersion: 1, records }, acceptedAt }], 0)
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
