import { utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { parse } from "../../layers/cli/terminal/asOfFlag.ts"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { SinkControl, type SinkRequest } from "../../layers/sink/SinkControl.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { EventLog } from "../../services/EventLog.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { add, filesUnder, metadataFile, namedFiles, readJson, someRows, tableFiles } from "../support/icebergTable.ts"
import { icebirdRows, sorted } from "../support/icebirdReader.ts"
import { floe, start, startFloe } from "../support/program.ts"
import { onDisk } from "../support/waiting.ts"

/** A data folder with this many commits of three rows each, and the ids of their snapshots. */
const filled = Effect.fnUntraced(function* (commits: number, ts = "2026-01-08-14") {
  const root = join(yield* temporaryFolder, "data")
  const write = Effect.gen(function* () {
    const writer = yield* TableWriterLayer.make({
      tableFolder: join(root, "warehouse", "default", "weather"),
      tempFolder: join(root, "temp"),
      snapshotKeep: 100
    })
    const ids: Array<string> = []
    for (let i = 0; i < commits; i++) {
      const { snapshotId } = yield* add(writer, someRows(3, `row ${i}`, ts))
      ids.push(String(snapshotId))
    }
    return ids
  })
  const ids = yield* write.pipe(Effect.scoped, Effect.provide(LeasesLayer.layer.pipe(Layer.provide(at(root)))))
  return { root, ids, env: { FLOE_DATA: root }, table: join(root, "warehouse", "default", "weather") }
})

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))
const rowsIn = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.Record(Schema.String, Schema.Json))))

describe("floe table", () => {
  it.live("describes the table", () =>
    Effect.gen(function* () {
      const { env, ids, table } = yield* filled(2)
      const [machine, people] = yield* Effect.all(
        [floe(["table", "describe", "--json"], env), floe(["table", "describe"], env)],
        { concurrency: 2 }
      )
      const described = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Json))(decode(machine.out))
      const column = (name: string) => ({ name, type: "string", required: false })
      assert.deepStrictEqual(
        [described.name, described.location, described.formatVersion, described.partitioning, described.columns],
        ["default.weather", table, 2, ["ts"], ["city", "temperature", "ts"].map(column)]
      )
      const metadata = readJson(metadataFile(table, 2))
      assert.deepStrictEqual(described.properties, metadata.properties)
      assert.match(people.out, new RegExp(`^snapshot        ${ids[1]} of \\d{4}-.*Z$`, "m"))
      assert.match(people.out, /^rows {12}6$/m)
      assert.match(people.out, /^log position {4}0\/6$/m)
    }).pipe(Effect.scoped)
  )

  it.live("lists snapshots, history and files", () =>
    Effect.gen(function* () {
      const { env, ids, table } = yield* filled(3)
      const [snapshots, history, files, before, people, peopleHistory] = yield* Effect.all(
        [
          floe(["table", "snapshots", "--json"], env),
          floe(["table", "history", "--json"], env),
          floe(["table", "files", "--json"], env),
          floe(["table", "files", "--json", "--as-of", ids[0] ?? ""], env),
          floe(["table", "snapshots"], env),
          floe(["table", "history"], env)
        ],
        { concurrency: 2 }
      )
      const newestFirst = ids.toReversed()
      assert.deepStrictEqual(
        rowsIn(snapshots.out).map(({ id, log, operation, parentId, rows, rowsAdded }) => ({
          id,
          log,
          operation,
          parentId,
          rows,
          rowsAdded
        })),
        newestFirst.map((id, i) => ({
          id,
          log: { logId: "a-log", positions: [{ partition: 0, offset: 9 - 3 * i }] },
          operation: "append",
          parentId: newestFirst[i + 1] ?? null,
          rows: 9 - 3 * i,
          rowsAdded: 3
        }))
      )
      assert.deepStrictEqual(
        rowsIn(history.out).map(({ isCurrentAncestor, snapshotId }) => [snapshotId, isCurrentAncestor]),
        newestFirst.map((id) => [id, true])
      )
      assert.deepStrictEqual(
        rowsIn(files.out)
          .map(({ path }) => join(table, String(path)))
          .sort(),
        filesUnder(join(table, "data"))
      )
      assert.deepStrictEqual(
        rowsIn(files.out).map(({ partition, rows }) => [partition, rows]),
        ids.map(() => ["ts=2026-01-08-14", 3])
      )
      assert.lengthOf(rowsIn(before.out), 1)
      for (const { out } of [people, peopleHistory]) {
        for (const line of out.split("\n")) assert.isAtMost(line.length, 80)
        for (const id of ids) assert.include(out, id)
      }
    }).pipe(Effect.scoped)
  )

  it.live("report which table does not exist, and create nothing", () =>
    Effect.gen(function* () {
      const root = join(yield* temporaryFolder, "nowhere")
      const env = { FLOE_DATA: root }
      const ended = yield* Effect.all(
        [
          floe(["table", "describe"], env),
          floe(["table", "files", "other"], env),
          floe(["maintain"], env),
          floe(["maintain", "--dry-run"], env)
        ],
        { concurrency: 2 }
      )
      for (const { code, err, out } of ended) {
        assert.deepStrictEqual([code, out], [1, ""])
        assert.match(err, /^There is no table at .* yet; .*\.\n$/)
      }
      assert.deepStrictEqual(filesUnder(root), [])
    }).pipe(Effect.scoped)
  )
})

describe("floe query --as-of", () => {
  it.live("queries the snapshot with an id, or the one that was current at a time", () =>
    Effect.gen(function* () {
      const { env, ids, table } = yield* filled(3)
      const count = (asOf: string) =>
        floe(["query", "--format", "csv", "--as-of", asOf, "SELECT count(*) AS n FROM weather"], env)
      const times = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ "timestamp-ms": Schema.Int })))(
        readJson(metadataFile(table, 3)).snapshots
      ).map((snapshot) => snapshot["timestamp-ms"])
      const asked = (times[2] ?? 0) - 1
      const [byId, byTime, expired, early, nonsense] = yield* Effect.all(
        [
          count(ids[1] ?? ""),
          count(new Date(asked).toISOString()),
          count("4711"),
          count("2020-01-01"),
          count("yesterday")
        ],
        { concurrency: 2 }
      )
      const expected = yield* icebirdRows(table, { snapshotId: ids[1] ?? "" })
      assert.lengthOf(expected, 6)
      assert.strictEqual(byId.out, "n\r\n6\r\n")
      assert.strictEqual(byTime.out, `n\r\n${3 * times.filter((time) => time <= asked).length}\r\n`)
      assert.strictEqual(expired.code, 1)
      assert.include(
        expired.err,
        "There is no snapshot 4711: it has expired, or never existed. The table keeps 3 snapshots"
      )
      assert.include(expired.err, ids[0] ?? "")
      assert.strictEqual(early.code, 1)
      assert.include(early.err, "No snapshot from 2020-01-01T00:00:00.000Z or before is kept.")
      assert.strictEqual(nonsense.code, 2)
    }).pipe(Effect.scoped)
  )

  it("a time without a zone is in UTC", () => {
    const millis = (text: string) => Option.getOrUndefined(parse(text))
    const at = Date.UTC(2026, 0, 8, 14, 30)
    for (const text of [
      "2026-01-08T14:30",
      "2026-01-08 14:30:00",
      "2026-01-08T14:30Z",
      "2026-01-08T15:30:00.000+01:00"
    ])
      assert.deepStrictEqual(millis(text), { _tag: "Time", millis: at }, text)
    assert.deepStrictEqual(millis("2026-01-08"), { _tag: "Time", millis: Date.UTC(2026, 0, 8) })
    assert.deepStrictEqual(millis("9007199254740993"), { _tag: "Snapshot", id: "9007199254740993" })
    for (const text of ["", "now", "2026-13-08", "2026-01-08T25:00", "14:30", "-5"]) assert.isUndefined(millis(text))
  })
})

describe("floe maintain", () => {
  it.live("reports what would be done, does it if no sink runs, and leaves nothing to do", () =>
    Effect.gen(function* () {
      const { env, table } = yield* filled(10)
      const orphan = join(table, "data", "ts=2026-01-08-14", "00000000-0000-left-by-a-crash.parquet")
      writeFileSync(orphan, "x".repeat(500))
      utimesSync(orphan, 1, 1)
      const rows = sorted(yield* icebirdRows(table))
      const keep = { ...env, FLOE_SNAPSHOT_KEEP: "4", FLOE_TIME_TRAVEL: "0 seconds", FLOE_FILE_GRACE: "0 seconds" }
      const planned = decode((yield* floe(["maintain", "--dry-run", "--json"], keep)).out)
      assert.strictEqual(filesUnder(join(table, "data")).length, 11)
      const files = filesUnder(join(table, "data")).filter((path) => path !== orphan)
      const { compact, expire, remove } = Schema.decodeUnknownSync(
        Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Int))
      )(planned)
      assert.deepStrictEqual(
        [compact?.files, compact?.partitions, compact?.into, expire?.snapshots, remove?.files, remove?.bytes],
        [files.length, 1, 1, 6, 1, 500]
      )
      const people = yield* floe(["maintain", "--dry-run"], keep)
      assert.match(people.out, /^would merge {3}10 files \(.* KiB\) of 1 partition into 1$/m)
      assert.match(people.out, /^would expire {2}6 snapshots, with \d+ files? \(.*\)$/m)
      assert.match(people.out, /^would remove {2}1 file \(500 B\)$/m)
      const done = yield* floe(["maintain"], keep)
      assert.strictEqual(done.code, 0, done.err)
      assert.match(done.out, /^Merged 10 files into 1, expired \d+ snapshots and removed \d+ files?\.\n$/)
      assert.deepStrictEqual(sorted(yield* icebirdRows(table)), rows)
      assert.notInclude(filesUnder(table), orphan)
      const after = yield* floe(["maintain", "--dry-run"], keep)
      assert.strictEqual(after.out, "would merge   nothing\nwould expire  nothing\nwould remove  nothing\n")
      assert.strictEqual((yield* floe(["maintain"], keep)).out, "There was nothing to do.\n")
      assert.deepStrictEqual(tableFiles(table), namedFiles(table))
    }).pipe(Effect.scoped)
  )

  /** A sink process that has committed. */
  const sinking = Effect.fnUntraced(function* (root: string) {
    const sink = yield* start("sink", { FLOE_DATA: root })
    yield* Effect.promise(() => sink.printed(/committed/))
    return sink
  })

  const logged = Effect.fnUntraced(function* () {
    const root = join(yield* temporaryFolder, "data")
    const append = Effect.flatMap(EventLog, (log) => log.append({ records: someRows(20, "row") }))
    yield* append.pipe(Effect.provide(EventLogLayer.layer.pipe(Layer.provide(at(root)))))
    return root
  })

  /** The request, once another process has brought it into a state that holds, in the write-ahead log of the control database. */
  const requested = Effect.fnUntraced(function* (root: string, id: number, holds: (request: SinkRequest) => boolean) {
    const { find } = yield* SinkControl
    return yield* onDisk(join(root, "control.db-wal"), find(id), Option.exists(holds))
  })

  it.live("a running sink does the work, even after the command stopped waiting", () =>
    Effect.gen(function* () {
      const root = yield* logged()
      const env = { FLOE_DATA: root }
      const sink = yield* sinking(root)
      const done = yield* floe(["maintain", "--json"], env)
      assert.deepStrictEqual(decode(done.out), { outcome: "There was nothing to do." }, done.err)
      const control = yield* Layer.build(SinkControl.layer.pipe(Layer.provide(at(root))))
      const is = (id: number, state: string) =>
        requested(root, id, (request) => request.state === state).pipe(Effect.provide(control))
      yield* is(1, "done")
      sink.signal("SIGSTOP")
      const waiting = yield* startFloe(["maintain"], env)
      yield* is(2, "requested")
      waiting.signal("SIGINT")
      assert.strictEqual((yield* Effect.promise(() => waiting.ended)).code, 130)
      assert.strictEqual(waiting.output(), "No longer waiting; a running sink continues the work.\n")
      sink.signal("SIGCONT")
      yield* is(2, "done")
    }).pipe(Effect.scoped)
  )

  it.live("the command does the work if the sink dies before it starts", () =>
    Effect.gen(function* () {
      const root = yield* logged()
      const sink = yield* sinking(root)
      const control = yield* Layer.build(SinkControl.layer.pipe(Layer.provide(at(root))))
      const { find } = Context.get(control, SinkControl)
      sink.signal("SIGSTOP")
      const waiting = yield* startFloe(["maintain"], { FLOE_DATA: root })
      yield* requested(root, 1, () => true).pipe(Effect.provide(control))
      sink.signal("SIGKILL")
      assert.strictEqual((yield* Effect.promise(() => waiting.ended)).code, 0)
      assert.strictEqual(waiting.output(), "There was nothing to do.\n")
      const request = Option.getOrThrow(yield* find(1))
      assert.deepStrictEqual([request.state, request.outcome], ["done", "There was nothing to do."])
    }).pipe(Effect.scoped)
  )
})
