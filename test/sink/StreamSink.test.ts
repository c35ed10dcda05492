import { mkdirSync, rmSync, writeFileSync } from "node:fs"
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
import { weatherStream } from "../../services/Weather.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { readTable } from "../support/readTable.ts"
import { applied } from "../support/typedStream.ts"
import { poll } from "../support/waiting.ts"

const streamOf = (name: string) => applied(name, [{ name: "id", type: "string", required: true }])

const services = (folder: string) =>
  Layer.mergeAll(EventLogLayer.layer, StreamsLayer.layer, LeasesLayer.layer, SinkControl.layer).pipe(
    Layer.provideMerge(at(folder))
  )

const sink = Sink.layer.pipe(
  Layer.provide(TableWriterLayer.layerOf(weatherStream)),
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

  it.live("a stream whose table is broken stops it, and is named; the others have what they had", () =>
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
        writeFileSync(join(tableOf(folder, "clicks"), "metadata", "v1.metadata.json"), "{")
        const error = yield* Effect.flip(start)
        assert.match(String(error), /The stream clicks: The table is broken: .*default\/clicks\/metadata\/v1/)
        const rows = yield* icebirdValues(tableOf(folder, "readings"))
        assert.deepStrictEqual(
          rows.map(({ id }) => id),
          ["a"]
        )
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

  it.live("a log that lost events of a stream stops it, and the stream is named", () =>
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
        const second = yield* start
        const error = yield* Effect.flip(second.sink.failure)
        assert.match(error.message, /^The stream readings: /)
      })
    )
  )
})
