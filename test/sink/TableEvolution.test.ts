import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { applyStream, tableRefusal } from "../../layers/sink/applyStream.ts"
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

  it.live("with field ids after those of a column that another program added, which stays", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const metadata = (version: number) =>
        join(folder, "warehouse", "default", "readings", "metadata", `v${version}.metadata.json`)
      const schemaIn = (version: number) => {
        const { schemas, ...rest } = JSON.parse(readFileSync(metadata(version), "utf8"))
        const { fields } = schemas.find(
          (one: { "schema-id": number }) => one["schema-id"] === rest["current-schema-id"]
        )
        return {
          lastId: rest["last-column-id"],
          fields: fields.map((field: { id: number; name: string }) => [field.id, field.name])
        }
      }
      yield* Effect.gen(function* () {
        const { find, record } = yield* Streams
        yield* record(first)
        const drained = Effect.scoped(
          Effect.flatMap(Sink, ({ drained }) => drained).pipe(Effect.provide(Layer.fresh(sink)))
        )
        yield* append(1, `{"id":"a"}`)
        yield* drained
        // As Iceberg's updateSchema().addColumn("theirs", int) commits it.
        const table = JSON.parse(readFileSync(metadata(1), "utf8"))
        const theirs = { id: 2, name: "theirs", required: false, type: "int" }
        const schema = { ...table.schemas[0], "schema-id": 1, fields: [...table.schemas[0].fields, theirs] }
        writeFileSync(
          metadata(2),
          JSON.stringify({
            ...table,
            "last-column-id": 2,
            "current-schema-id": 1,
            schemas: [...table.schemas, schema],
            "last-updated-ms": table["last-updated-ms"] + 1
          })
        )
        assert.isUndefined(yield* tableRefusal([first], 2, second.definition))
        assert.include(
          yield* tableRefusal([first], 1, second.definition),
          "it has used the field id 2 for a column that another program added"
        )
        assert.strictEqual(yield* applyStream(second.definition, () => Effect.void), 2)
        assert.deepStrictEqual((yield* find("readings")).ids, { id: 1, note: 3 })
        assert.deepStrictEqual(schemaIn(3), {
          lastId: 3,
          fields: [
            [1, "id"],
            [3, "note"],
            [2, "theirs"]
          ]
        })
        yield* append(2, `{"id":"d","note":"new"}`)
        yield* drained
        assert.deepStrictEqual(yield* rowsIn(folder), ["a null", "d new"])
      }).pipe(Effect.provide(services(folder)))
    })
  )
})
