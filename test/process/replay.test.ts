/** Processors run again: while the running one goes on, after what they read has changed, and as of a time. */
import { mkdirSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { declaredProcessors } from "../../layers/declaration/compileProcessors.ts"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import * as LogFile from "../../layers/log/sqlite/LogFile.ts"
import { processorFolder } from "../../layers/log/sqlite/processorFolder.ts"
import { makeRebuilt, putInPlace, rebuiltIn, writeState } from "../../layers/process/rebuilt.ts"
import { replay } from "../../layers/process/replay.ts"
import type { Tick } from "../../layers/process/Store.ts"
import * as Store from "../../layers/process/sqlite/Store.ts"
import { ticksOf } from "../../layers/process/sqlite/stateLines.ts"
import type { ReplayRequest } from "../../layers/process/workerProtocol.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { Column, Processor, Stream, Window } from "../../streams/index.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { mapped } from "../support/processorDefinitions.ts"

const logId = "018f4e1c-5a57-7d9a-b0a1-3c2d4e5f6a7b"
const time = (second: number) => `2026-11-27T10:00:${String(second).padStart(2, "0")}.000000Z`
const millis = (second: number) => Date.UTC(2026, 10, 27, 10, 0, second)
const event = (second: number) => JSON.stringify({ at: time(second) })

const Events = Stream.make("events", { schema: Schema.Struct({ at: Column.timestamptz }) })
const Counts = Stream.make("counts", { schema: Schema.Struct({ start: Column.timestamptz, n: Column.int }) })

/** Windows of 10 seconds; `onAdd` is called with each event that counts. */
const counting = (from: typeof Events, outOfOrder: "1 minute" | "0 seconds", onAdd = () => {}) =>
  Processor.window("counts", {
    from,
    key: () => "",
    time: (e) => e.at,
    window: Window.tumbling("10 seconds"),
    outOfOrder,
    state: Schema.Struct({ n: Column.int }),
    zero: { n: 0 },
    add: ({ n }) => {
      onAdd()
      return { n: n + 1 }
    },
    to: Counts,
    emit: (_, w, { n }) => ({ start: w.start, n })
  })

/** A data folder of these processors, with events in which each has its time and its time of acceptance, in seconds. */
const prepared = Effect.fnUntraced(function* (module: object, events: ReadonlyArray<readonly [number, number]>) {
  const folder = yield* Effect.provide(DataFolder, at(yield* temporaryFolder))
  mkdirSync(folder.processors, { recursive: true })
  LogFile.create(folder, logId)
  const compiled = compileStreams({ Events, Counts, ...module })
  if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
  const { processors = [], streams } = compiled.compiled
  const declared = declaredProcessors(module).flatMap((processor) =>
    processors.filter(({ name }) => name === processor.name).map((definition) => ({ processor, definition }))
  )
  // Another processor writes the input, so that it is in a file that a test can write.
  const applied = streams.map((one) => firstVersion(one.name === "events" ? { ...one, writer: "source" } : one, 0))
  const opened = (definition: ProcessorDefinition) => {
    const [output, late] = [definition.to, definition.late].map((name) =>
      applied.find((one) => one.definition.name === name)
    )
    if (output === undefined) throw new Error(`there is no stream ${definition.to}`)
    const store = Store.open({ folder, logId, definition, output, late })
    store.begin()
    return store
  }
  const input = opened({ ...mapped, name: "source", to: "events" })
  for (const [second, acceptedAt] of events) input.row(event(second), millis(acceptedAt))
  input.commit({ next: events.length, watermark: Number.NEGATIVE_INFINITY })
  input.close()
  return {
    folder,
    /** The processor counts has run so far. */
    ran: ({ next, ticks = [] }: { readonly next: number; readonly ticks?: ReadonlyArray<Tick> }) => {
      const definition = processors.find(({ name }) => name === "counts")
      if (definition === undefined) throw new Error("there is no processor")
      const store = opened(definition)
      for (const tick of ticks) store.tick(tick)
      store.commit({ next, watermark: Number.NEGATIVE_INFINITY })
      store.close()
    },
    replay: (request: Partial<ReplayRequest>) =>
      Effect.gen(function* () {
        const { processors: into } = rebuiltIn(folder)
        makeRebuilt(folder)
        yield* Effect.forEach(applied, (yield* Streams).record)
        yield* replay(folder, declared, { names: ["counts"], into, until: null, ...request }, () => {})
        const again = LogFile.open(processorFolder(rebuiltIn(folder), "counts"))
        const recordsOf = (stream: string) =>
          again
            .of(stream)
            .rows(0, 10)
            .map(({ record }) => String(record))
        const records = [recordsOf("counts"), recordsOf("counts_late")]
        again.close()
        return records
      }).pipe(Effect.provide(MemoryStreams.layer))
  }
})

const texts = (rows: ReadonlyArray<typeof Counts.schema.Encoded>) => rows.map((row) => JSON.stringify(row))

it.live.each([
  {
    what: "repeats windows that the clock closes meanwhile",
    request: {},
    rows: [{ start: time(0), n: 2 }],
    late: [event(3)]
  },
  { what: "leaves them out where it compares with the rows before", request: { ticks: 0 }, rows: [], late: [] },
  { what: "leaves them out as of a time before that", request: { before: millis(119) }, rows: [], late: [] }
])("$what", ({ late, request, rows }) =>
  Effect.gen(function* () {
    let added = 0
    const processor = counting(Events, "1 minute", () => {
      if (added++ > 0) return
      const running = new DatabaseSync(processorFolder(folder, "counts").log)
      running.prepare("INSERT INTO ticks (next, at) VALUES (2, ?)").run(millis(119))
      running.close()
    })
    const { folder, ran, replay } = yield* prepared({ processor }, [
      [1, 1],
      [2, 2],
      [3, 3]
    ])
    // The running processor has processed two of the three events.
    ran({ next: 2 })
    assert.deepStrictEqual(yield* replay(request), [texts(rows), late])
    assert.strictEqual(added, 2 + (late.length === 0 ? 1 : 0))
  }).pipe(Effect.scoped)
)

it.live.each([
  { until: "before", is: "open", before: millis(119), rows: [] },
  { until: "after", is: "closed", before: millis(119) + 1, rows: [{ start: time(0), n: 2 }] }
])("as of a time $until that, a window that the clock closed is $is", ({ before, rows }) =>
  Effect.gen(function* () {
    const { ran, replay } = yield* prepared({ processor: counting(Events, "1 minute") }, [
      [1, 1],
      [2, 2]
    ])
    ran({ next: 2, ticks: [{ next: 2, at: millis(119) }] })
    assert.deepStrictEqual(yield* replay({ before, until: 2 }), [texts(rows), []])
  }).pipe(Effect.scoped)
)

// The events of seconds 1 and 2 come before the tick, the others after it: one of them is late.
it.live.each([
  { what: "more", copies: [2, 2, 2, 2], n: 4, late: [event(5), event(5)] },
  { what: "fewer", copies: [1, 0, 1, 1], n: 1, late: [event(5)] }
])("windows close by the clock at the same time if what is read has $what rows than before", ({ copies, late, n }) =>
  Effect.gen(function* () {
    const Copies = Stream.make("copies", { schema: Events.schema })
    let index = 0
    const copy = Processor.map("copy", {
      from: Events,
      to: Copies,
      map: (e) => Array.from({ length: copies[index++] ?? 0 }, () => e)
    })
    const { folder, ran, replay } = yield* prepared({ Copies, copy, counts: counting(Copies, "0 seconds") }, [
      [1, 1],
      [2, 2],
      [5, 41],
      [41, 42]
    ])
    const ticks = [
      { next: 2, at: millis(40) },
      { next: 4, at: millis(60) }
    ]
    ran({ next: 4, ticks })
    const names = ["copy", "counts"]
    assert.deepStrictEqual(yield* replay({ names }), [texts([{ start: time(0), n }]), late])

    writeState(folder, { names, phase: "ready", paused: [] })
    putInPlace(folder)
    const next = copies.slice(0, 2).reduce((sum, one) => sum + one)
    assert.deepStrictEqual(ticksOf(folder, "counts"), [{ next, at: millis(40) }])
    const inPlace = new DatabaseSync(processorFolder(folder, "counts").log, { readOnly: true })
    assert.deepStrictEqual(inPlace.prepare("SELECT next FROM ticks_to_come").all(), [])
    inPlace.close()
  }).pipe(Effect.scoped)
)
