/** Processors of a module as definitions, and each fault as a sentence. */
import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { compareStreams } from "../../layers/declaration/compareStreams.ts"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import { Column, Partition, Processor, Stream, Weather, Window } from "../../streams/index.ts"

const Input = Stream.make("readings", {
  schema: Schema.Struct({ device: Schema.String, at: Column.timestamptz, n: Column.long, received: Column.accepted }),
  key: "device",
  partitionBy: [Partition.day("at")]
})
const Output = Stream.make("hourly", { schema: Schema.Struct({ device: Schema.String, n: Column.long }) })
const window = {
  from: Input,
  time: (r: { at: string }) => r.at,
  window: Window.tumbling("1 hour"),
  state: Schema.Struct({ n: Column.long }),
  zero: { n: 0n },
  add: (s: { n: bigint }, r: { n: bigint }) => ({ n: s.n + r.n }),
  to: Output,
  emit: (device: string, _: unknown, { n }: { n: bigint }) => ({ device, n })
}

const sentencesOf = (exports: object) => {
  const result = compileStreams({ Input, Output, ...exports })
  return "sentences" in result ? result.sentences : []
}
/** Of a processor whose declaration Node would run, as it strips the types. */
const faultsOf = (changes: object, name = "hourly", kind: Processor.Processor["kind"] = "window") => {
  const { options, ...rest } = Processor.window(name, window)
  return sentencesOf({ P: { ...rest, kind, options: { ...options, ...changes } } })
}

describe("a processor", () => {
  it("compiles to its definition, its output to a stream that it writes, and its late events to a stream of their own", () => {
    const result = compileStreams({
      Input,
      Output,
      P: Processor.window("hourly", { ...window, lateness: "10 minutes" })
    })
    expect("compiled" in result && result.compiled.processors).toEqual([
      {
        name: "hourly",
        kind: "window",
        from: "readings",
        rekeyed: false,
        to: "hourly",
        late: "hourly_late",
        window: { type: "tumbling", size: 3_600_000 },
        outOfOrder: 0,
        lateness: 600_000,
        ahead: 86_400_000,
        state: [{ name: "n", required: true, type: "long" }],
        onError: "stop"
      }
    ])
    const streams = "compiled" in result ? result.compiled.streams : []
    expect(streams.map(({ name, writer }) => [name, writer])).toEqual([
      ["hourly", "hourly"],
      ["hourly_late", "hourly"],
      ["readings", undefined]
    ])
    expect(streams[1]).toMatchObject({
      columns: [
        { name: "device", type: "string" },
        { name: "at", type: "timestamptz" },
        { name: "n", type: "long" },
        { name: "received", type: "timestamptz" }
      ],
      key: "device",
      partitionBy: [{ column: "at", transform: "day" }]
    })
  })

  it("is refused with a sentence that names it and the option", () => {
    const limits = "it must be a whole number of milliseconds, from 1 to 366 days"
    const cases: ReadonlyArray<readonly [faults: ReadonlyArray<string>, sentence: string]> = [
      [faultsOf({ window: Window.tumbling(0) }), `processor hourly, option window, size: ${limits}`],
      [faultsOf({ window: Window.tumbling("3650 days") }), `processor hourly, option window, size: ${limits}`],
      [
        faultsOf({ window: Window.hopping("1 hour", { every: "2 hours" }) }),
        "processor hourly, option window, every: it must not be longer than the window, or events would be in none"
      ],
      [
        faultsOf({ window: Window.hopping("1 hour", { every: 1 }) }),
        "processor hourly, option window, every: an event would be in more than 1000 windows"
      ],
      [
        faultsOf({ window: "1 hour" }),
        "processor hourly, option window: it must be a Window.tumbling, hopping or session"
      ],
      [
        faultsOf({ window: Window.session("1 hour") }),
        "processor hourly, option merge: sessions need a function that merges two states"
      ],
      [faultsOf({ outOfOrder: Number.NaN }), `processor hourly, option outOfOrder: ${limits.replace("1 to", "0 to")}`],
      [faultsOf({ closeWhenIdle: 5 }), `processor hourly, option closeWhenIdle: ${limits.replace("1 to", "1000 to")}`],
      [faultsOf({ add: 5 }), "processor hourly, option add: it must be a function"],
      [
        faultsOf({ every: 5 }),
        "processor hourly: Processor.window has no option every; its options are from, to, doc, onError, key, state, zero, add, emit, time, window, outOfOrder, lateness, ahead, closeWhenIdle, merge"
      ],
      [
        faultsOf({ state: Schema.Struct({ n: Schema.Number }) }),
        "processor hourly, option state.n: Schema.Number allows NaN and Infinity, which JSON does not have; use Schema.Finite"
      ],
      [
        faultsOf({ state: { n: 0 } }),
        "processor hourly, option state: it must be a Schema.Struct with the columns of the state"
      ],
      [
        faultsOf({ state: Schema.Struct({ n: Column.accepted }) }),
        "processor hourly, option state.n: a state has no Column.accepted"
      ],
      [faultsOf({ zero: undefined }), "processor hourly, option zero: it must be the state before the first event"],
      [faultsOf({ onError: "ignore" }), "processor hourly, option onError: it must be stop or dead-letter"],
      [
        faultsOf({ from: Stream.make("other", { schema: Input.schema, key: "device" }) }),
        "processor hourly, option from: the module does not export the stream other"
      ],
      [faultsOf({ to: "hourly" }), "processor hourly, option to: it must be a stream: export const … = Stream.make(…)"],
      [faultsOf({ to: Weather }), "processor hourly, option to: clients write the stream weather"],
      [faultsOf({ to: Input }), "processor hourly, option from: its rows would come back to it through readings"],
      [
        faultsOf({}, "Hourly"),
        "processor Hourly: a processor's name is made of a–z, 0–9 and _, begins with a letter, and has at most 56 characters"
      ],
      [faultsOf({}, "weather"), "processor weather: the name weather belongs to the built-in stream"],
      [faultsOf({}, "all_late"), "processor all_late: names that end in _late are reserved"],
      [faultsOf({}, "readings"), "processor readings: a stream that it does not write has this name"],
      [
        sentencesOf({ A: Processor.window("a", window), B: Processor.window("b", window) }),
        "processor b, option to: the processor a writes the stream hourly already; a stream has one writer"
      ],
      [
        sentencesOf({
          A: Processor.map("a", { from: Input, to: Output, map: () => undefined }),
          B: Processor.map("a", { from: Input, to: Output, map: () => undefined })
        }),
        "processor a: two processors have this name"
      ],
      [
        sentencesOf({
          A: Processor.map("a", { from: Input, to: Output, map: () => undefined }),
          B: Processor.map("b", { from: Output, to: Input, map: () => undefined })
        }),
        "processor a, option from: its rows would come back to it through readings"
      ],
      [
        sentencesOf({
          A: {
            ...Processor.filter("a", { from: Input, to: Input, keep: () => true }),
            options: { from: Input, to: Output, keep: () => true }
          }
        }),
        "processor a, option to: it must have the columns of readings"
      ],
      [
        sentencesOf({ A: Processor.window("a", { ...window, from: Output, time: () => "" }) }),
        "processor a, option key: the stream hourly has no key, so the processor needs one: key: (event) => event.…"
      ]
    ]
    for (const [faults, sentence] of cases) {
      expect(faults).toContain(sentence)
    }
  })

  it("cannot take over a stream that clients have written, nor the other way round", () => {
    const definition = (exports: object) => {
      const result = compileStreams({ Input, Output, ...exports })
      const found = "compiled" in result ? result.compiled.streams.find(({ name }) => name === "hourly") : undefined
      if (found === undefined) throw new Error("there is no stream hourly")
      return found
    }
    const [byClients, byProcessor] = [definition({}), definition({ P: Processor.window("hourly", window) })]
    const sentence = (before: typeof byClients, now: typeof byClients) =>
      compareStreams([firstVersion(before, 0)], now).refusals.map(({ sentence }) => sentence)
    expect(sentence(byClients, byProcessor)).toEqual([
      "its writer cannot change from clients to the processor hourly, because its rows could not be built again from the log; declare a new stream"
    ])
    expect(sentence(byProcessor, byClients)).toHaveLength(1)
    expect(sentence(byProcessor, byProcessor)).toEqual([])
  })
})
