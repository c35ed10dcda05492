/** Tables with typed columns, read by DuckDB from their files alone and by icebird from their metadata. */
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { environment, filesUnder, maintainAll, openWriter } from "../../support/icebergTable.ts"
import { inOrder, plainRows } from "../../support/plainParquet.ts"
import { readTable } from "../../support/readTable.ts"
import {
  applied,
  type Event,
  edgeEvents,
  nestedColumns,
  primitiveColumns,
  timeColumn
} from "../../support/typedStream.ts"

const tableOf = (stream: AppliedStream) => Effect.map(DataFolder, ({ tableAt }) => tableAt(stream.definition.name))

const openTyped = Effect.fnUntraced(function* (stream: AppliedStream) {
  return yield* openWriter({ tableFolder: yield* tableOf(stream), spec: TableSpec.make(stream), snapshotKeep: 1 })
})

const lines = (events: ReadonlyArray<Event>) => events.map((event) => JSON.stringify(event))

/** Commits each event on its own, so that each has a file of its own. */
const commitEach = Effect.fnUntraced(function* (stream: AppliedStream, events: ReadonlyArray<Event>) {
  const writer = yield* openTyped(stream)
  for (const [i, event] of events.entries()) {
    yield* writer.stage(lines([event]))
    yield* writer.commit({ logId: "a-log", offset: i + 1 })
  }
}, Effect.scoped)

/** A writer that has just started takes partitions without a time as complete. */
const compactAll = Effect.fnUntraced(function* (stream: AppliedStream) {
  return yield* maintainAll(yield* openTyped(stream))
}, Effect.scoped)

const activeFiles = (stream: AppliedStream) =>
  Effect.flatMap(tableOf(stream), readTable).pipe(
    Effect.map(Option.match({ onNone: () => [], onSome: ({ files }) => files.map(({ path }) => path) }))
  )

const columns = [...primitiveColumns, timeColumn, ...nestedColumns]

it.effect("values of every type are in the files as they were staged, and after compaction", () =>
  Effect.gen(function* () {
    const stream = applied("typed", columns)
    const events = edgeEvents(columns)
    yield* commitEach(stream, events)
    const before = yield* activeFiles(stream)
    assert.strictEqual(before.length, events.length)
    assert.deepStrictEqual(inOrder(yield* plainRows(before, columns)), inOrder(events))
    yield* compactAll(stream)
    const after = yield* activeFiles(stream)
    assert.strictEqual(after.length, 1)
    assert.deepStrictEqual(inOrder(yield* plainRows(after, columns)), inOrder(events))
  }).pipe(Effect.provide(environment))
)

it.effect("given a stream of one struct, an event without it and one with it empty differ", () =>
  Effect.gen(function* () {
    const [place] = nestedColumns
    assert.isDefined(place)
    const stream = applied("typed", [place])
    for (const events of [[{}], [{}, { place: {} }], [{ place: {} }, {}]]) {
      const writer = yield* openTyped(stream)
      yield* writer.stage(lines(events))
      yield* writer.commit({ logId: "a-log", offset: 1 })
      const files = yield* activeFiles(stream)
      assert.sameDeepMembers([...(yield* plainRows(files.slice(-1), [place]))], events)
    }
  }).pipe(Effect.scoped, Effect.provide(environment))
)

it.effect("an event that does not fit fails the commit, and stays staged", () =>
  Effect.gen(function* () {
    const stream = applied("typed", columns)
    const writer = yield* openTyped(stream)
    for (const bad of [
      `{"int":3000000000}`,
      `{"date":"2026-02-30"}`,
      `{"uuid":"8f14"}`,
      `{"bytes":"%%"}`,
      `{"tags":"x"}`,
      `{"int":1`
    ]) {
      yield* writer.stage([`{"int":1}`, bad])
      const failed = yield* Effect.flip(writer.commit({ logId: "a-log", offset: 2 }))
      assert.strictEqual(failed._tag, "TableUnavailable", bad)
      assert.strictEqual(yield* writer.staged, 2)
      assert.deepStrictEqual(filesUnder(`${yield* tableOf(stream)}/data`), [])
      yield* writer.discard
    }
    yield* writer.stage([`{"int":1}`])
    assert.strictEqual((yield* writer.commit({ logId: "a-log", offset: 1 })).rows, 1)
  }).pipe(Effect.scoped, Effect.provide(environment))
)
