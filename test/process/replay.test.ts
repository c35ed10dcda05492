/** A processor runs again while the running one goes on. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import * as LogFile from "../../layers/log/sqlite/LogFile.ts"
import { processorFolder } from "../../layers/log/sqlite/processorFolder.ts"
import { replay } from "../../layers/process/replay.ts"
import * as Store from "../../layers/process/sqlite/Store.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { DataFolder } from "../../services/DataFolder.ts"
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
const declared = (onAdd: () => void) => {
  const processor = Processor.window("counts", {
    from: Events,
    key: () => "",
    time: (e) => e.at,
    window: Window.tumbling("10 seconds"),
    outOfOrder: "1 minute",
    state: Schema.Struct({ n: Column.int }),
    zero: { n: 0 },
    add: ({ n }) => {
      onAdd()
      return { n: n + 1 }
    },
    to: Counts,
    emit: (_, w, { n }) => ({ start: w.start, n })
  })
  const compiled = compileStreams({ Events, Counts, processor })
  if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
  const { processors: [definition] = [], streams } = compiled.compiled
  if (definition === undefined) throw new Error("there is no processor")
  const applied = (name: string) => {
    const found = streams.find((stream) => stream.name === name)
    if (found === undefined) throw new Error(`there is no stream ${name}`)
    // Another processor writes the input, so that it is in a file that a test can write.
    return firstVersion(name === "events" ? { ...found, writer: "source" } : found, 0)
  }
  return { processor, definition, input: applied("events"), output: applied("counts"), late: applied("counts_late") }
}

it.live.each([
  {
    what: "repeats windows that the clock closes meanwhile",
    ticks: undefined,
    rows: [{ start: time(0), n: 2 }],
    late: [event(3)]
  },
  { what: "leaves them out where it compares with the rows before", ticks: 0, rows: [], late: [] }
])("$what", ({ late, rows, ticks }) =>
  Effect.gen(function* () {
    const folder = yield* Effect.provide(DataFolder, at(yield* temporaryFolder))
    mkdirSync(folder.processors, { recursive: true })
    LogFile.create(folder, logId)
    let added = 0
    const one = declared(() => {
      if (added++ > 0) return
      const running = new DatabaseSync(processorFolder(folder, "counts").log)
      running.prepare("INSERT INTO ticks (next, at) VALUES (2, ?)").run(millis(59) + 60_000)
      running.close()
    })
    const source = { ...mapped, name: "source", to: "events" }
    const input = Store.open({ folder, logId, definition: source, output: one.input, late: undefined })
    input.begin()
    for (const second of [1, 2, 3]) input.row(event(second), millis(second))
    input.commit({ next: 3, watermark: Number.NEGATIVE_INFINITY })
    input.close()
    // The running processor has processed two of the three events.
    const running = Store.open({ folder, logId, definition: one.definition, output: one.output, late: one.late })
    running.begin()
    running.commit({ next: 2, watermark: millis(2) - 60_000 })
    running.close()

    const into = join(folder.root, "again")
    mkdirSync(into)
    yield* Effect.gen(function* () {
      const { record } = yield* Streams
      yield* Effect.forEach([one.input, one.output, one.late], record)
      const request = { names: ["counts"], into, until: null, ...(ticks === undefined ? {} : { ticks }) }
      yield* replay(folder, [one], request, () => {})
    }).pipe(Effect.provide(MemoryStreams.layer))

    const again = LogFile.open(processorFolder(DataFolder.of({ ...folder, processors: into }), "counts"))
    const recordsOf = (stream: string) =>
      again
        .of(stream)
        .rows(0, 10)
        .map(({ record }) => String(record))
    assert.deepStrictEqual(
      [recordsOf("counts"), recordsOf("counts_late")],
      [rows.map((row) => JSON.stringify(row)), late]
    )
    again.close()
    assert.strictEqual(added, 2 + (late.length === 0 ? 1 : 0))
  }).pipe(Effect.scoped)
)
