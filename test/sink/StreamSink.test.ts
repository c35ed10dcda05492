import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Layer, Option, Scope } from "effect"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { Sink } from "../../layers/sink/Sink.ts"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Streams } from "../../services/Streams.ts"
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

const sink = Sink.layer.pipe(
  Layer.provide(TableWriterLayer.writersLayer),
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ FLOE_COMMIT_INTERVAL: "20 millis" }))),
  Layer.fresh
)

const start = Effect.gen(function* () {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const sinkOf = Context.get(yield* Layer.buildWithScope(sink, scope), Sink)
  return { sink: sinkOf, stop: Scope.close(scope, Exit.void) }
})

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
  const ids = (folder: string, name: string) =>
    Effect.map(icebirdValues(tableOf(folder, name)), (rows) => rows.map(({ id }) => id).sort())
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
        assert.deepStrictEqual(yield* ids(folder, "clicks"), ["b", "c"])
        assert.deepStrictEqual(yield* ids(folder, "readings"), ["a", "d"])
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
        assert.deepStrictEqual(yield* ids(folder, "clicks"), ["a", "b", "c"])
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
})
