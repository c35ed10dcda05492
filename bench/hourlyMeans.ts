/** What the benchmarks of processors run: hourly means, and the events that they read. */
import { Schema } from "effect"
import { firstVersion } from "../layers/declaration/assignIds.ts"
import { compileStreams } from "../layers/declaration/compileStreams.ts"
import { Column, type Processor, Stream } from "../streams/index.ts"

export const Readings = Stream.make("readings", {
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
export const Means = Stream.make("means", {
  schema: Schema.Struct({ device: Column.uuid, hour: Column.timestamptz, readings: Column.int, mean: Schema.Finite })
})
const State = Schema.Struct({ n: Column.int, sum: Schema.Finite })
type State = typeof State.Type
export const common = {
  from: Readings,
  time: (r: Reading) => r.at,
  outOfOrder: "1 minute",
  state: State,
  zero: { n: 0, sum: 0 },
  add: (s: State, r: Reading) => ({ n: s.n + 1, sum: s.sum + r.celsius }),
  to: Means,
  emit: (device: string, w: Processor.Span, s: State) => ({ device, hour: w.start, readings: s.n, mean: s.sum / s.n })
} as const

/** Its streams have names that end so, that nothing else is on their way. */
export const compiledOf = (processor: Processor.Processor, suffix: string) => {
  const compiled = compileStreams({ Readings, Means, processor })
  if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
  const [definition] = compiled.compiled.processors ?? []
  const named = compiled.compiled.streams.map((stream) =>
    firstVersion({ ...stream, name: `${stream.name}_${suffix}` }, 0)
  )
  const [late, output, input] = named
  if (definition === undefined || late === undefined || output === undefined || input === undefined) {
    throw new Error("a stream is missing")
  }
  return {
    late,
    output,
    input,
    definition: {
      ...definition,
      name: `bench_${suffix}`,
      from: input.definition.name,
      to: output.definition.name,
      late: late.definition.name
    }
  }
}

const start = Date.UTC(2026, 10, 1)

/** Batches of canonical events, `step` milliseconds apart. A thousandth is two hours late, the others up to a minute out of order. */
export const batchesOf = function* (count: number, size: number, devices: number, step: number) {
  // mulberry32
  let state = 1
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  for (let i = 0; i < count; i += size) {
    const records = Array.from({ length: Math.min(size, count - i) }, (_, j) => {
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
    yield { records, acceptedAt: start + (i + size) * step }
  }
}
