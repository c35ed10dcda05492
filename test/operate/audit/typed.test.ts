/** An audit of a stream with a column of every type. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as EventLogReaderLayer from "../../../layers/log/sqlite/EventLogReader.ts"
import { audit } from "../../../layers/operate/audit/audit.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import * as TableChecksumsLayer from "../../../layers/table/duckdb/TableChecksums.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableWriter from "../../../layers/table/iceberg/TableWriter.ts"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLog, EventLogReader } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { edges, everyType } from "../../support/someStreams.ts"
import { applied } from "../../support/typedStream.ts"

const { columns, name } = everyType
const byDay = applied(name, columns, everyType.partitionBy)
const events = edges.map((event) => JSON.stringify(event))

/** The report on a log with these events and a table with those. */
const audited = Effect.fnUntraced(function* (
  stream: AppliedStream,
  logged: ReadonlyArray<string>,
  inTable: ReadonlyArray<string>,
  range: { readonly from?: string; readonly to?: string } = {}
) {
  const folder = at(join(yield* temporaryFolder, "data"))
  const fill = Effect.gen(function* () {
    const log = yield* EventLog
    yield* log.append({ stream: name, schemaVersion: 1, records: logged })
    const { logId } = yield* (yield* EventLogReader).of(name).bounds
    const { root, tableAt } = yield* DataFolder
    const table = yield* TableWriter.make({
      spec: TableSpec.make(stream),
      tableFolder: tableAt(name),
      tempFolder: join(root, "temp"),
      snapshotKeep: 10
    })
    yield* table.stage(inTable)
    yield* table.commit({ logId, offset: logged.length })
  }).pipe(Effect.scoped, Effect.provide(EventLogLayer.layer), Effect.provide(LeasesLayer.layer))
  const report = audit({ stream, ...range }).pipe(
    Effect.provide(
      Layer.merge(EventLogReaderLayer.layer, TableChecksumsLayer.layer.pipe(Layer.provide(LeasesLayer.layer)))
    )
  )
  return Option.getOrThrow(yield* Effect.andThen(fill, report).pipe(Effect.provide(folder)))
})

describe("an audit of a typed stream", () => {
  it.live("given a table with each event once, finds no difference and counts by day", () =>
    Effect.gen(function* () {
      const report = yield* audited(byDay, events, events.toReversed())
      assert.deepStrictEqual([report.logged, report.missing, report.extra, report.examples], [events.length, 0, 0, []])
      assert.deepStrictEqual(
        report.hours.map(({ ts, inTable }) => [ts, inTable]),
        [
          ["0001-01-01", 1],
          ["1969-12-31", 1],
          ["9999-12-31", 1],
          [null, events.length - 3]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("given a lost, a doubled and a changed row, shows each", () =>
    Effect.gen(function* () {
      const [first = "", second = "", third = "", ...rest] = events
      const changed = third.replace("true", "false")
      const report = yield* audited(byDay, events, [second, second, changed, ...rest])
      assert.deepStrictEqual([report.missing, report.extra], [2, 2])
      const missing = report.examples.filter(({ kind }) => kind === "missing")
      assert.sameMembers(
        missing.map((one) => ("row" in one ? one.row : "")),
        [first, third]
      )
      const extra = report.examples.filter(({ kind }) => kind === "extra")
      assert.sameMembers(
        extra.map((one) => ("row" in one ? String(JSON.parse(one.row).id) : "")),
        ["1", "2"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("given a range of hours, compares the days that they are in", () =>
    Effect.gen(function* () {
      const range = { from: "1969-12-31-23", to: "9999-12-30-00" }
      const report = yield* audited(byDay, events, events.slice(1), range)
      assert.deepStrictEqual(
        report.hours.map(({ ts, inTable }) => [ts, inTable]),
        [["1969-12-31", 1]]
      )
    }).pipe(Effect.scoped)
  )

  it.live("given a stream that is partitioned by no time, compares it as one group", () =>
    Effect.gen(function* () {
      const report = yield* audited(applied(name, columns, []), events, events)
      assert.deepStrictEqual(
        report.hours.map(({ inTable, ts }) => [ts, inTable]),
        [[null, events.length]]
      )
    }).pipe(Effect.scoped)
  )
})
