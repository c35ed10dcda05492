import { randomUUID } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import type { Column, PartitionField } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { nightly } from "../support/nightly.ts"
import { freePort, type Program, start, startFloe } from "../support/program.ts"
import { applied } from "../support/typedStream.ts"
import { onDisk, poll } from "../support/waiting.ts"

const rounds = nightly ? 5 : 1
/** Acknowledged events between two kills, so that kills hit a commit, or a merge of files, at different moments. */
const between = [500, 900, 350, 700]
const workers = 3
const batchSize = 20

const columns: ReadonlyArray<Column> = [
  { name: "id", type: "string", required: true },
  { name: "n", type: "int", required: true },
  { name: "at", type: "timestamptz", required: true },
  { name: "tags", type: "list", required: false, nullable: false, element: { type: "string" } }
]
const partitions: Readonly<Record<string, ReadonlyArray<PartitionField>>> = {
  readings: [{ column: "at", transform: "day" }],
  clicks: [],
  orders: [
    { column: "at", transform: "month" },
    { column: "n", transform: "truncate", width: 5 }
  ]
}
const streams = Object.entries(partitions).map(([name, partitionBy]) => applied(name, columns, partitionBy))
const names = Object.keys(partitions)

const Metadata = Schema.Struct({
  snapshots: Schema.Array(Schema.Struct({ summary: Schema.Struct({ operation: Schema.String }) }))
})
const decodeMetadata = Schema.decodeUnknownSync(Schema.fromJsonString(Metadata))

/** Columns that are added while events come. */
const added = ["c1", "c2", "c3"]

const textOf = (event: Readonly<Record<string, unknown>>) =>
  JSON.stringify([event.id, event.n, event.tags ?? null, ...added.map((name) => event[name] ?? null)])

/** Sends batches to each stream, every one under its key until it is acknowledged, and keeps what was acknowledged. */
const makeLoad = (base: string) => {
  const acknowledged = new Map<string, Array<string>>(names.map((name) => [name, []]))
  const waiting = new Set<{ readonly count: number; readonly deferred: Deferred.Deferred<void> }>()
  let failures = 0
  let stopping = false
  let made = 0
  let known = 0
  const total = () => [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0)

  const more = (block: number) => Object.fromEntries(added.slice(0, known).map((name) => [name, block]))
  const event = () => {
    const n = made++
    // Every event occurs twice, so that the number of copies must be right.
    const block = Math.floor(n / 2)
    const day = String(1 + (block % 3)).padStart(2, "0")
    const tags = block % 4 === 0 ? {} : { tags: [`t${block % 7}`, "😀"] }
    return { id: `${block}`, n: block % 20, at: `2026-0${1 + (block % 2)}-${day}T10:11:12.5Z`, ...tags, ...more(block) }
  }

  const batch = (name: string) =>
    Effect.gen(function* () {
      const events = Array.from({ length: batchSize }, event)
      const headers = { "idempotency-key": randomUUID(), "content-type": "application/json" }
      const request = { method: "POST", headers, body: JSON.stringify(events) }
      for (;;) {
        const answer = yield* Effect.tryPromise(async () => {
          const response = await fetch(`${base}/streams/${name}/events`, request)
          return { status: response.status, body: await response.text() }
        }).pipe(Effect.orElseSucceed(() => undefined))
        if (answer?.status === 200) break
        if (answer !== undefined) assert.include([409, 429, 503], answer.status, answer.body)
        failures++
        yield* Effect.sleep("15 millis")
      }
      acknowledged.get(name)?.push(...events.map(textOf))
      for (const one of waiting) if (total() >= one.count) Deferred.doneUnsafe(one.deferred, Effect.void)
    })

  const worker = (name: string) => Effect.whileLoop({ while: () => !stopping, body: () => batch(name), step: () => {} })

  return {
    acknowledged,
    failures: () => failures,
    run: Effect.all(
      names.flatMap((name) => Array.from({ length: workers }, () => worker(name))),
      { concurrency: "unbounded", discard: true }
    ),
    stop: () => {
      stopping = true
    },
    /** From now on the events have so many of the added columns. */
    addColumns: (count: number) => {
      known = count
    },
    /** Waits for this many more acknowledged events. */
    more: (count: number) =>
      Effect.suspend(() => {
        const deferred = Deferred.makeUnsafe<void>()
        waiting.add({ count: total() + count, deferred })
        return Deferred.await(deferred)
      })
  }
}

/** What each snapshot of a table did: append, replace, … */
const snapshotsOf = (table: string) =>
  Effect.sync(() => {
    const version = readFileSync(join(table, "metadata", "version-hint.text"), "utf8").trim()
    const text = readFileSync(join(table, "metadata", `v${version}.metadata.json`), "utf8")
    return decodeMetadata(text).snapshots.map(({ summary }) => summary.operation)
  })

const inTable = (output: string, name: string) =>
  Number([...output.matchAll(new RegExp(` up to ${name}/0/(\\d+) `, "g"))].at(-1)?.[1] ?? -1) + 1

const killed = (...programs: ReadonlyArray<Program>) =>
  Effect.promise(async () => {
    for (const program of programs) program.signal("SIGKILL")
    for (const program of programs) assert.deepStrictEqual(await program.ended, { code: null, signal: "SIGKILL" })
  })

/** Waits until the sink has everything, stops the programs, and reads each table with icebird. */
const judge = Effect.fnUntraced(function* (
  data: string,
  { acknowledged }: ReturnType<typeof makeLoad>,
  server: Program,
  sink: Program
) {
  const logged = (name: string) => acknowledged.get(name)?.length ?? 0
  yield* Effect.promise(() => sink.until((output) => names.every((name) => inTable(output, name) >= logged(name))))
  for (const program of [server, sink]) {
    program.signal("SIGTERM")
    assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null }, program.output())
  }
  for (const name of names) {
    const rows = yield* icebirdValues(join(data, "warehouse", "default", name))
    assert.deepStrictEqual(rows.map(textOf).sort(), acknowledged.get(name)?.sort(), name)
  }
})

/** Waits until the server has this version of each stream. */
const untilServed = (base: string, version: number) =>
  Effect.forEach(names, (name) =>
    poll(
      Effect.promise(() =>
        fetch(`${base}/streams/${name}`).then(
          (response) => response.text(),
          () => ""
        )
      ),
      (text) => text.includes(`"version":${version}`)
    )
  )

const declare = (file: string, count: number) => {
  const more = added.slice(0, count).map((name) => ({ name, type: "int", required: false }))
  const definitions = streams.map(({ definition }) => ({ ...definition, columns: [...columns, ...more] }))
  writeFileSync(file, JSON.stringify({ format: 1, streams: definitions }))
}

/** Waits until the table of a stream has a column. */
const untilInTable = (data: string, stream: string, column: string) => {
  const metadata = join(data, "warehouse", "default", stream, "metadata")
  const has = Effect.sync(() => {
    const version = readFileSync(join(metadata, "version-hint.text"), "utf8").trim()
    return readFileSync(join(metadata, `v${version}.metadata.json`), "utf8").includes(`"${column}"`)
  })
  return onDisk(join(metadata, "version-hint.text"), has, Boolean)
}

describe("three streams at once", () => {
  it.live(
    "each table holds every acknowledged event exactly once and nothing else, whatever is killed",
    () =>
      Effect.gen(function* () {
        const data = yield* temporaryFolder
        const port = yield* freePort
        const env = {
          FLOE_DATA: data,
          FLOE_PORT: `${port}`,
          FLOE_COMMIT_INTERVAL: "50 millis",
          FLOE_FILE_GRACE: "0 seconds"
        }
        const load = makeLoad(`http://127.0.0.1:${port}`)
        let server = yield* start("server", env)
        let sink = yield* start("sink", env)
        yield* Effect.promise(() => server.printed(/listens on/))
        yield* Effect.flatMap(Streams, ({ record }) => Effect.forEach(streams, record)).pipe(
          Effect.provide(StreamsLayer.layer.pipe(Layer.provide(at(data))))
        )
        yield* untilServed(`http://127.0.0.1:${port}`, 1)
        const sending = yield* Effect.forkChild(load.run)

        for (let round = 0; round < rounds; round++) {
          const pause = (i: number) => load.more(between[(round + i) % between.length] ?? 500)
          yield* pause(0)
          yield* killed(server)
          server = yield* start("server", env)
          yield* pause(1)
          yield* Effect.promise(() => sink.until((output) => names.every((name) => inTable(output, name) > 0)))
          yield* killed(sink)
          sink = yield* start("sink", env)
          yield* pause(2)
          yield* killed(server, sink)
          server = yield* start("server", env)
          sink = yield* start("sink", env)
        }
        yield* load.more(500)
        load.stop()
        yield* Fiber.join(sending)
        assert.isAbove(load.failures(), rounds, "the kills came in the middle of the load")

        yield* judge(data, load, server, sink)
        const merged = yield* Effect.forEach(names, (name) => snapshotsOf(join(data, "warehouse", "default", name)))
        assert.include(merged.flat(), "replace", "files were merged meanwhile")
      }),
    120_000
  )

  it.live(
    "and so they do when a change of all of them is killed between its steps, with server and sink",
    () =>
      Effect.gen(function* () {
        const data = yield* temporaryFolder
        const port = yield* freePort
        const base = `http://127.0.0.1:${port}`
        const env = { FLOE_DATA: data, FLOE_PORT: `${port}`, FLOE_COMMIT_INTERVAL: "50 millis" }
        const declaration = join(data, "declared.json")
        const apply = startFloe(["streams", "apply"], { ...env, FLOE_STREAMS: declaration })
        const load = makeLoad(base)
        let server = yield* start("server", env)
        let sink = yield* start("sink", env)
        yield* Effect.promise(() => server.printed(/listens on/))
        const applyAll = Effect.gen(function* () {
          const program = yield* apply
          assert.deepStrictEqual(
            yield* Effect.promise(() => program.ended),
            { code: 0, signal: null },
            program.output()
          )
        })
        declare(declaration, 0)
        yield* applyAll
        yield* untilServed(base, 1)
        const sending = yield* Effect.forkChild(load.run)

        for (const [i, column] of added.slice(0, nightly ? added.length : 1).entries()) {
          yield* load.more(300)
          yield* Effect.promise(() => sink.until((output) => names.every((name) => inTable(output, name) > 0)))
          declare(declaration, i + 1)
          const applying = yield* apply
          yield* untilInTable(data, names[i % names.length] ?? "", column)
          applying.signal("SIGKILL")
          yield* killed(server, sink)
          // On a busy machine it may have been faster.
          assert.oneOf((yield* Effect.promise(() => applying.ended)).signal, ["SIGKILL", null])
          server = yield* start("server", env)
          sink = yield* start("sink", env)
          yield* load.more(100)
          yield* applyAll
          yield* untilServed(base, i + 2)
          load.addColumns(i + 1)
        }
        yield* load.more(500)
        load.stop()
        yield* Fiber.join(sending)
        yield* judge(data, load, server, sink)
      }),
    120_000
  )
})
