import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Deferred, Effect, Exit, Layer, Logger, Option, Scope } from "effect"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { Sink } from "../../layers/sink/Sink.ts"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { TableWriters } from "../../layers/table/iceberg/TableWriter.ts"
import { EventLog } from "../../services/EventLog.ts"
import type { Column } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { TableBroken, type TableWriter } from "../../services/TableWriter.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { readTable } from "../support/readTable.ts"
import { applied } from "../support/typedStream.ts"
import { exists, poll } from "../support/waiting.ts"

const streamOf = (name: string) => applied(name, [{ name: "id", type: "string", required: true }])

const services = (folder: string) =>
  Layer.mergeAll(EventLogLayer.layer, StreamsLayer.layer, LeasesLayer.layer, SinkControl.layer).pipe(
    Layer.provideMerge(at(folder))
  )

type Change = (table: TableWriter["Service"]) => TableWriter["Service"]

/** The writers of a sink; `opened` has the stream of each table, as often as it was opened. */
const writers = (opened: Array<string>, change: Change) =>
  Layer.effect(
    TableWriters,
    Effect.map(TableWriters, ({ open }) =>
      TableWriters.of({
        open: (stream) =>
          Effect.suspend(() => {
            opened.push(stream.definition.name)
            return Effect.map(open(stream), change)
          })
      })
    )
  ).pipe(Layer.provide(TableWriterLayer.writersLayer))

const startWith = Effect.fnUntraced(function* (interval: string, change: Change = (table) => table) {
  const opened: Array<string> = []
  const sink = Sink.layer.pipe(
    Layer.provide(writers(opened, change)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ FLOE_COMMIT_INTERVAL: interval }))),
    Layer.fresh
  )
  const scope = yield* Scope.fork(yield* Effect.scope)
  const sinkOf = Context.get(yield* Layer.buildWithScope(sink, scope), Sink)
  return { sink: sinkOf, opened: () => opened, stop: Scope.close(scope, Exit.void) }
})
const start = startWith("20 millis")

const append = Effect.fnUntraced(function* (stream: string, ...ids: ReadonlyArray<string>) {
  const records = ids.map((id) => JSON.stringify({ id }))
  yield* (yield* EventLog).append({ stream, schemaVersion: 1, records })
})

const record = (name: string) => Effect.flatMap(Streams, ({ record }) => record(streamOf(name)))
const tableOf = (folder: string, name: string) => join(folder, "warehouse", "default", name)
const committed = (folder: string, name: string) =>
  Effect.map(readTable(tableOf(folder, name)), (table) => ({
    offset: Option.getOrUndefined(table)?.progress?.offset ?? 0,
    version: Option.getOrUndefined(table)?.version
  })).pipe(Effect.orElseSucceed(() => ({ offset: 0, version: undefined })))
const until = (folder: string, name: string, offset: number) =>
  poll(committed(folder, name), (now) => now.offset === offset)

const inFolder = <A, E, R>(
  use: (folder: string) => Effect.Effect<A, E, R | Layer.Success<ReturnType<typeof services>>>
) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    return yield* Effect.provide(use(folder), services(folder))
  }).pipe(Effect.scoped)

const done = (id: number) =>
  Effect.flatMap(SinkControl, ({ find }) =>
    poll(find(id), (request) => Option.exists(request, ({ finishedAt }) => finishedAt !== null))
  )

describe("A sink of several streams", () => {
  it.live("takes up a stream that is applied while it runs, and commits nothing of an idle one", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* append("readings", "a")
        yield* start
        yield* until(folder, "readings", 1)
        const before = yield* committed(folder, "readings")
        yield* record("clicks")
        for (const id of ["b", "c"]) {
          const { offset } = yield* committed(folder, "clicks")
          yield* append("clicks", id)
          yield* until(folder, "clicks", offset + 1)
        }
        assert.deepStrictEqual(yield* committed(folder, "readings"), before)
      })
    )
  )

  it.live("pauses and resumes one of them, across a restart, while the other goes on", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        const { paused, request } = yield* SinkControl
        yield* record("readings")
        yield* record("clicks")
        const first = yield* start
        yield* done(yield* request("pause", undefined, "readings"))
        yield* append("readings", "a")
        yield* first.stop
        yield* start
        yield* append("clicks", "b")
        yield* until(folder, "clicks", 1)
        assert.strictEqual((yield* committed(folder, "readings")).offset, 0)
        assert.isFalse(yield* paused, "weather is not")
        yield* done(yield* request("resume", undefined, "readings"))
        yield* until(folder, "readings", 1)
        const outcome = Option.getOrThrow(yield* done(yield* request("maintain", undefined, "orders")))
        assert.deepStrictEqual(
          [outcome.state, outcome.outcome],
          ["failed", "The sink does not write the stream orders."]
        )
      })
    )
  )

  /** What the sink reports of its streams. */
  const failures = Effect.flatMap(SinkControl, ({ failures }) => failures)
  /** At least `count` of them; a commit writes the file that icebird reads first as its last. */
  const ids = (folder: string, name: string, count: number) =>
    poll(
      Effect.map(icebirdValues(tableOf(folder, name)), (rows) => rows.map(({ id }) => id).sort()),
      ({ length }) => length >= count
    )
  const metadataOf = (folder: string, name: string) => join(tableOf(folder, name), "metadata", "v1.metadata.json")

  it.live("a stream whose table is broken is reported, and the others go on; after a repair its events come once", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* record("clicks")
        yield* append("readings", "a")
        yield* append("clicks", "b")
        const first = yield* start
        yield* until(folder, "readings", 1)
        yield* until(folder, "clicks", 1)
        yield* first.stop
        const intact = readFileSync(metadataOf(folder, "clicks"), "utf8")
        writeFileSync(metadataOf(folder, "clicks"), "{")
        yield* append("clicks", "c")
        const { sink } = yield* start
        const [failure] = yield* failures
        assert.strictEqual(failure?.stream, "clicks")
        assert.match(failure?.reason ?? "", /^The table is broken: .*default\/clicks\/metadata\/v1/)
        yield* append("readings", "d")
        yield* until(folder, "readings", 2)
        const { request } = yield* SinkControl
        const outcome = Option.getOrThrow(yield* done(yield* request("maintain", undefined, "clicks")))
        assert.match(
          outcome.outcome ?? "",
          /^The sink cannot write the stream clicks at the moment\. The table is broken/
        )
        writeFileSync(metadataOf(folder, "clicks"), intact)
        yield* until(folder, "clicks", 2)
        yield* poll(failures, (failures) => failures.length === 0)
        assert.deepStrictEqual(yield* ids(folder, "clicks", 2), ["b", "c"])
        assert.deepStrictEqual(yield* ids(folder, "readings", 2), ["a", "d"])
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Effect.exit(sink.failure), 0)), "it runs")
      })
    )
  )

  it.live("a table that breaks while it is written is left alone until it is moved away, and is built again", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* record("clicks")
        yield* append("clicks", "a", "b")
        yield* start
        yield* until(folder, "clicks", 2)
        writeFileSync(metadataOf(folder, "clicks"), "{")
        yield* append("clicks", "c")
        yield* poll(failures, ([failure]) => failure?.stream === "clicks")
        yield* append("readings", "d")
        yield* until(folder, "readings", 1)
        renameSync(tableOf(folder, "clicks"), join(folder, "away"))
        yield* until(folder, "clicks", 3)
        // A commit writes the file that icebird needs last.
        yield* exists(join(tableOf(folder, "clicks"), "metadata", "version-hint.text"))
        assert.deepStrictEqual(yield* ids(folder, "clicks", 3), ["a", "b", "c"])
        yield* poll(failures, (failures) => failures.length === 0)
      })
    )
  )

  it.live("weather's broken table is reported, and the streams go on; without others, the sink ends", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        mkdirSync(dirname(metadataOf(folder, "weather")), { recursive: true })
        writeFileSync(metadataOf(folder, "weather"), "{")
        const alone = yield* Effect.flip(start)
        assert.match(String(alone), /The table is broken: .*default\/weather\/metadata\/v1/)
        yield* record("readings")
        yield* append("readings", "a")
        yield* start
        yield* until(folder, "readings", 1)
        assert.deepStrictEqual(
          (yield* failures).map(({ stream }) => stream),
          ["weather"]
        )
        rmSync(tableOf(folder, "weather"), { recursive: true })
        yield* poll(failures, (failures) => failures.length === 0)
      })
    )
  )

  it.live("a stream whose table is unavailable does not hold up the others, and is taken up later", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("clicks")
        yield* record("readings")
        yield* append("clicks", "a")
        yield* append("readings", "b")
        const place = tableOf(folder, "clicks")
        mkdirSync(dirname(place), { recursive: true })
        writeFileSync(place, "")
        yield* Effect.forkScoped(start)
        yield* until(folder, "readings", 1)
        rmSync(place)
        yield* until(folder, "clicks", 1)
      })
    )
  )

  it.live("a log that lost events of a stream is reported for this stream", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* append("readings", "a", "b")
        const { stop } = yield* start
        yield* until(folder, "readings", 2)
        yield* stop
        const damaged = new DatabaseSync(join(folder, "log.db"))
        damaged.exec(`UPDATE "events:readings" SET value = '{"id":"c"}' WHERE "offset" = 1`)
        damaged.close()
        yield* start
        const [failure] = yield* poll(failures, ({ length }) => length > 0)
        assert.strictEqual(failure?.stream, "readings")
      })
    )
  )

  it.live("a fault in the middle of a log is reported once, however often the stream is tried again", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* append("readings", "a")
        const { stop } = yield* start
        yield* until(folder, "readings", 1)
        yield* stop
        yield* append("readings", "b", "c", "d")
        const damaged = new DatabaseSync(join(folder, "log.db"))
        damaged.exec(`UPDATE "events:readings" SET value = '{"id":"x"}' WHERE "offset" = 2`)
        damaged.close()
        const lines: Array<string> = []
        const logger = Logger.layer([Logger.make(({ message }) => lines.push(String(message)))])
        const { opened } = yield* Effect.provide(start, logger)
        yield* poll(Effect.sync(opened), (names) => names.filter((name) => name === "readings").length > 3)
        assert.lengthOf(
          lines.filter((line) => line.includes("The sink goes on with the other streams")),
          1
        )
        assert.deepStrictEqual(
          lines.filter((line) => line.includes("the cause is fixed;")),
          []
        )
        assert.strictEqual((yield* committed(folder, "readings")).offset, 2, "what comes before the fault")
        assert.strictEqual((yield* failures)[0]?.stream, "readings")
      })
    )
  )

  it.live("a table that cannot get the columns of a new version is left alone until it can", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("clicks")
        yield* append("clicks", "a")
        const { opened } = yield* start
        yield* until(folder, "clicks", 1)
        const intact = readFileSync(metadataOf(folder, "clicks"), "utf8")
        // As if another program had added columns.
        const foreign = join(tableOf(folder, "clicks"), "metadata", "v2.metadata.json")
        writeFileSync(foreign, intact.replace(/"last-column-id":\s*1/, '"last-column-id": 7'))
        const columns: ReadonlyArray<Column> = [
          { name: "id", type: "string", required: true },
          { name: "n", type: "int", required: false }
        ]
        const next = applied("clicks", columns, [], streamOf("clicks"))
        yield* Effect.flatMap(Streams, ({ record }) => record(next))
        const [failure] = yield* poll(failures, ({ length }) => length > 0)
        assert.match(failure?.reason ?? "", /has used the field id 2 for a column that another program added/)
        yield* append("clicks", "b")
        const before = opened().length
        yield* poll(Effect.sync(opened), ({ length }) => length > before + 1)
        assert.strictEqual((yield* committed(folder, "clicks")).offset, 1)
        rmSync(foreign)
        yield* until(folder, "clicks", 2)
        assert.deepStrictEqual(yield* ids(folder, "clicks", 2), ["a", "b"])
        yield* poll(failures, ({ length }) => length === 0)
      })
    )
  )

  it.live("a stream that failed is opened again only after its last commit", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* append("readings", "a", "b", "c")
        const damaged = new DatabaseSync(join(folder, "log.db"))
        damaged.exec(`UPDATE "events:readings" SET value = '{"id":"x"}' WHERE "offset" = 1`)
        damaged.close()
        const began = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const slow: Change = (table) => ({
          ...table,
          commit: (progress) =>
            Effect.andThen(
              Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(release)),
              table.commit(progress)
            )
        })
        const { opened } = yield* startWith("1 hour", slow)
        yield* Deferred.await(began)
        // The streams are looked at in turn, so readings was looked at in between.
        for (const name of ["clicks", "visits"]) {
          yield* record(name)
          yield* poll(Effect.sync(opened), (names) => names.includes(name))
        }
        assert.lengthOf(
          opened().filter((name) => name === "readings"),
          1
        )
        yield* Deferred.succeed(release, undefined)
        yield* until(folder, "readings", 1)
        yield* poll(failures, ([failure]) => failure?.stream === "readings")
      })
    )
  )

  it.live("a table whose files cannot be merged is reported, and gets events meanwhile", () =>
    inFolder((folder) =>
      Effect.gen(function* () {
        yield* record("readings")
        yield* append("readings", "a")
        let isBroken = true
        const fault = new TableBroken({ file: "data/x.parquet", reason: "is missing" })
        const { sink } = yield* startWith("20 millis", (table) => ({
          ...table,
          maintain: Effect.suspend(() => (isBroken ? Effect.fail(fault) : table.maintain))
        }))
        const reported = yield* poll(failures, ({ length }) => length === 2)
        assert.deepStrictEqual(
          reported.map(({ isWritten, stream }) => [stream, isWritten]),
          [
            ["readings", true],
            ["weather", true]
          ]
        )
        assert.strictEqual(
          reported[0]?.reason,
          "The table is broken: data/x.parquet is missing. Events are still committed, but files are not merged."
        )
        yield* append("readings", "b")
        yield* until(folder, "readings", 2)
        isBroken = false
        yield* poll(failures, ({ length }) => length === 0)
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Effect.exit(sink.failure), 0)), "it runs")
      })
    )
  )
})
