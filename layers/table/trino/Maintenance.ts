/** Upkeep of the table through Trino, while the sink goes on with its commits. */
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { EventLogReader } from "../../../services/EventLog.ts"
import { Maintenance, MaintenanceFailed, type MaintenancePlan } from "../../../services/Maintenance.ts"
import { Query } from "../../../services/Query.ts"
import { s3, snapshotKeep } from "../../../services/Settings.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { Storage } from "../../../services/Storage.ts"
import { weather } from "../../../services/TableReader.ts"
import { plural } from "../../runtime/plural.ts"
import * as QueryLayer from "./Query.ts"
import * as RetryOnConflict from "./retryOnConflict.ts"
import * as Rows from "./rows.ts"
import * as SnapshotChain from "./SnapshotChain.ts"
import * as SmallFiles from "./smallFiles.ts"
import * as TableFiles from "./tableFiles.ts"
import * as UncommittedFiles from "./uncommittedFiles.ts"
import * as WeatherTable from "./weatherTable.ts"

export interface Limits {
  /** Queries may still read a snapshot that is younger. */
  readonly snapshotAge: Duration.Duration
  /** A file is younger from when it is written until it is committed; the lower limit that Trino has by itself. */
  readonly orphanAge: Duration.Duration
  /** The sink may have written files for events that wait for longer, and not have committed them. */
  readonly uncommitted: Duration.Duration
}

const usual: Limits = {
  snapshotAge: Duration.hours(1),
  orphanAge: Duration.days(7),
  uncommitted: Duration.days(1)
}

const Shown = Schema.Tuple([Schema.String])

const make = Effect.fnUntraced(function* (usually: Partial<Limits> = {}) {
  const limits = { ...usual, ...usually }
  const query = yield* Query
  const storage = yield* Storage
  const log = yield* EventLogReader
  const commits = yield* SinkCommits
  const keep = yield* snapshotKeep
  const { bucket } = yield* s3
  const table = weather

  /** Of a table that was altered Trino would rewrite whatever there is, and may not have the memory for it. */
  const asItShouldBe = Effect.gen(function* () {
    const [[shown] = [""]] = yield* Rows.all(
      query,
      { table, operation: "looking at it", row: Shown },
      `SHOW CREATE TABLE iceberg.default.${table}`
    )
    const differences = WeatherTable.differences(shown, bucket)
    if (differences.length === 0) return
    const reason = `The table default.${table} is not as it should be, and nothing was done: ${differences.join("; ")}. floe doctor says what mends it.`
    return yield* new MaintenanceFailed({ reason, cause: differences })
  })

  /** `coming`: snapshots that will be made before any expires. */
  const look = Effect.fnUntraced(function* (coming: number) {
    const { folder, now } = yield* TableFiles.place(query, storage, table)
    const young = now - Duration.toMillis(limits.snapshotAge)
    const expiry = yield* SnapshotChain.expiryOf(query, table, { keep: Math.max(1, keep - coming), young })
    return { folder, now, young, expiry }
  })

  const dispensable = Effect.fnUntraced(function* ({ folder, now, expiry }: Effect.Success<ReturnType<typeof look>>) {
    const orphansBefore = now - Duration.toMillis(limits.orphanAge)
    const found = yield* TableFiles.dispensable(query, storage, table, {
      folder,
      expireBefore: expiry.before,
      replaced: expiry.replaced,
      queries: new Set(expiry.expiring.flatMap(({ summary }) => summary.trino_query_id ?? [])),
      orphansBefore
    })
    if (found.orphans.files === 0) return { ...found, held: Option.none<string>() }
    const held = yield* UncommittedFiles.uncommittedSince(
      { log, commits },
      expiry.sink,
      now - Duration.toMillis(limits.uncommitted)
    )
    const { files } = found.orphans
    return Option.match(held, {
      onNone: () => ({ ...found, held }),
      onSome: (why) => ({
        ...found,
        orphans: { files: 0, bytes: 0 },
        held: Option.some(
          `${plural(files, "file")} that nothing names ${files === 1 ? "is" : "are"} left alone, as ${why}: the sink may have written ${files === 1 ? "it" : "them"}.`
        )
      })
    })
  })

  const plan = Effect.gen(function* () {
    yield* asItShouldBe
    const small = yield* SmallFiles.find(query, table)
    const seen = yield* look(SmallFiles.pieces(small))
    const { expired, orphans, held } = yield* dispensable(seen)
    const left = [seen.expiry.held, held].flatMap(Option.toArray)
    const found: MaintenancePlan = {
      compact: SmallFiles.total(small),
      expire: { snapshots: seen.expiry.expiring.length, ...expired },
      remove: orphans,
      ...(left.length === 0 ? {} : { left })
    }
    return found
  }).pipe(Effect.withSpan("Maintenance.plan"))

  const orphanAge = Math.ceil(Duration.toMillis(limits.orphanAge))
  const removeOrphans = `ALTER TABLE iceberg.default.${table} EXECUTE remove_orphan_files(retention_threshold => '${orphanAge}ms')`

  const run = Effect.fn("Maintenance.run")(function* (told: RetryOnConflict.Told) {
    const change = RetryOnConflict.make(query, told)
    const step = <A, E>(news: string, effect: Effect.Effect<A, E>) => RetryOnConflict.saying(told, news, effect)
    yield* asItShouldBe

    const before = yield* step("reading the table's metadata", look(0))
    const files = TableFiles.count(storage, before.folder, before.young)
    const filesBefore = yield* step("listing its files", files)

    const small = yield* SmallFiles.find(query, table)
    for (const [i, hour] of small.entries()) {
      for (const statement of yield* SmallFiles.merging(query, table, hour)) {
        yield* change(`merging small files of ${hour.ts}, hour ${i + 1} of ${small.length}`, statement)
      }
    }

    const merged = yield* step("reading the table's metadata", look(0))
    const { expiring, before: time } = merged.expiry
    if (expiring.length > 0) {
      yield* change(`expiring ${plural(expiring.length, "snapshot")}`, SnapshotChain.expire(table, time))
    }

    const after = yield* step("reading the table's metadata", look(0))
    const { orphans, held } = yield* step("looking for orphans", dispensable(after))
    if (orphans.files > 0) yield* change(`removing ${plural(orphans.files, "orphan")}`, removeOrphans)

    const { files: mergedFiles, into } = SnapshotChain.mergedSince(before.expiry, merged.expiry)
    const expired = SnapshotChain.expiredSince(merged.expiry, after.expiry)
    const removed = Math.max(0, filesBefore - (yield* step("counting what is left", files)))
    const done =
      mergedFiles + expired + removed === 0
        ? "There was nothing to do."
        : `Merged ${plural(mergedFiles, "file")} into ${into.toLocaleString("en-US")}, expired ${plural(expired, "snapshot")} and removed ${plural(removed, "file")}.`
    return [done, ...[after.expiry.held, held].flatMap(Option.toArray)].join(" ")
  })

  return Maintenance.of({ plan, run, continuesWhenInterrupted: false })
})

/** Trino refuses what is younger than these by itself. */
const session = ({ snapshotAge, orphanAge }: Limits) => ({
  "iceberg.expire_snapshots_min_retention": `${Math.floor(Duration.toMillis(snapshotAge))}ms`,
  "iceberg.remove_orphan_files_min_retention": `${Math.floor(Duration.toMillis(orphanAge))}ms`
})

export const within = (limits: Partial<Limits>) =>
  Layer.effect(Maintenance, make(limits)).pipe(Layer.provide(QueryLayer.withSession(session({ ...usual, ...limits }))))

export const layer = within({})
