import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { Sink } from "../../layers/sink/Sink.ts"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import * as TableEvolutionLayer from "../../layers/sink/TableEvolution.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Streams } from "../../services/Streams.ts"
import { TableEvolution } from "../../services/TableEvolution.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdValues } from "../support/icebirdReader.ts"
import { applied } from "../support/typedStream.ts"

const id = { name: "id", type: "string", required: true } as const
const first = applied("readings", [id])
const second = applied("readings", [id, { name: "note", type: "string", required: false }], [], first)

const services = (folder: string) =>
  TableEvolutionLayer.layer.pipe(
    Layer.provideMerge([EventLogLayer.layer, StreamsLayer.layer, LeasesLayer.layer, SinkControl.layer]),
    Layer.provideMerge(at(folder))
  )

const sink = Sink.layer.pipe(Layer.provide(TableWriterLayer.writersLayer))

const append = Effect.fnUntraced(function* (schemaVersion: number, ...records: ReadonlyArray<string>) {
  yield* (yield* EventLog).append({ stream: "readings", schemaVersion, records })
})

const evolve = Effect.flatMap(TableEvolution, ({ evolve }) => evolve(second, () => Effect.void))

const rowsIn = (folder: string) =>
  Effect.map(icebirdValues(join(folder, "warehouse", "default", "readings")), (rows) =>
    rows.map(({ id, note }) => `${id} ${note ?? null}`).sort()
  )

const expected = ["a null", "b null", "c null", "d new"]

describe("A table follows its stream's next version", () => {
  it.live("in the running sink, while events come, table first", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const { record } = yield* Streams
        yield* record(first)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { drained } = yield* Sink
            yield* append(1, `{"id":"a"}`, `{"id":"b"}`)
            yield* drained
            yield* evolve
            yield* append(1, `{"id":"c"}`)
            yield* record(second)
            yield* append(2, `{"id":"d","note":"new"}`)
            yield* drained
          }).pipe(Effect.provide(Layer.fresh(sink)))
        )
        assert.deepStrictEqual(yield* rowsIn(folder), expected)
      }).pipe(Effect.provide(services(folder)))
    })
  )

  it.live("where no sink runs, and once more when it was interrupted before the version was in force", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const { record } = yield* Streams
        yield* record(first)
        const run = <E>(work: Effect.Effect<void, E, EventLog>) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { drained } = yield* Sink
              yield* work
              yield* drained
            }).pipe(Effect.provide(Layer.fresh(sink)))
          )
        yield* run(append(1, `{"id":"a"}`, `{"id":"b"}`))
        yield* evolve
        // The process dies here; a sink starts with the version that is still in force.
        yield* run(append(1, `{"id":"c"}`))
        yield* evolve
        yield* record(second)
        yield* run(append(2, `{"id":"d","note":"new"}`))
        assert.deepStrictEqual(yield* rowsIn(folder), expected)
      }).pipe(Effect.provide(services(folder)))
    })
  )

  it.live(
    "in a sink that opened it empty before the version was in force, and reads the first events of that version",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* Effect.gen(function* () {
          const { record } = yield* Streams
          yield* record(first)
          yield* evolve
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { drained } = yield* Sink
              yield* record(second)
              yield* append(2, `{"id":"d","note":"new"}`)
              yield* drained
            }).pipe(Effect.provide(Layer.fresh(sink)))
          )
          assert.deepStrictEqual(yield* rowsIn(folder), ["d new"])
        }).pipe(Effect.provide(services(folder)))
      })
  )
})
