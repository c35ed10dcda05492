/** Maintains the table of a stream through Trino while the sink keeps committing. */
import { Duration, Effect, Layer, Option, Schema } from "effect"
import type { EventLogReader } from "../../../services/EventLog.ts"
import { Maintenance, MaintenanceFailed, type MaintenancePlan } from "../../../services/Maintenance.ts"
import type { Query } from "../../../services/Query.ts"
import { s3, snapshotKeep } from "../../../services/Settings.ts"
import type { SinkCommits } from "../../../services/SinkCommits.ts"
import type { Storage } from "../../../services/Storage.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import * as QueryLayer from "./Query.ts"
import * as RetryOnConflict from "./retryOnConflict.ts"
import * as Rows from "./rows.ts"
import * as SnapshotChain from "./SnapshotChain.ts"
import * as SmallFiles from "./smallFiles.ts"
import { layoutDifferences, nameOf } from "./streamTable.ts"
import * as TableFiles from "./tableFiles.ts"
import * as UncommittedFiles from "./uncommittedFiles.ts"
import * as WeatherTable from "./weatherTable.ts"

export interface Limits {
  /** Younger snapshots are kept, as queries may still read them. */
  readonly snapshotAge: Duration.Duration
  /** Younger files may not be committed yet; the default is also Trino's own minimum. */
  readonly orphanAge: Duration.Duration
  /** If an event has waited longer than this, the sink may have written its file without committing it. */
  readonly uncommitted: Duration.Duration
}

const defaultLimits: Limits = {
  snapshotAge: Duration.hours(1),
  orphanAge: Duration.days(7),
  uncommitted: Duration.days(1)
}

const CreateStatement = Schema.Tuple([Schema.String])

/** How the table differs from the stream's; its columns may be those of a newer version. */
const differencesOf = Effect.fnUntraced(function* (stream: AppliedStream, bucket: string) {
  const table = stream.definition.name
  const [[shown] = [""]] = yield* Rows.all(
    { table, operation: "describing it", row: CreateStatement },
    `SHOW CREATE TABLE ${nameOf(table)}`
  )
  return table === weather
    ? WeatherTable.differences(shown, bucket)
    : layoutDifferences(shown, stream.definition, bucket)
})

const streamNamed = (name: string) =>
  Streams.use(({ find }) => find(name)).pipe(
    Effect.mapError((cause) => new MaintenanceFailed({ reason: cause.message, cause }))
  )

const make = Effect.fnUntraced(function* <R>(
  table: string,
  find: Effect.Effect<AppliedStream, MaintenanceFailed, R>,
  overrides: Partial<Limits>
) {
  const limits = { ...defaultLimits, ...overrides }
  const services = yield* Effect.context<Query | Storage | EventLogReader | SinkCommits | R>()
  const keep = yield* snapshotKeep
  const { bucket } = yield* s3

  /** In an altered table Trino would rewrite all rows, for which it may lack the memory. */
  const requireUnaltered = Effect.gen(function* () {
    const stream = yield* find
    const differences = yield* differencesOf(stream, bucket)
    if (differences.length === 0) return stream
    const reason = `The table default.${table} differs from what Floe needs: ${differences.join("; ")}. Nothing was done; floe doctor shows the fix.`
    return yield* new MaintenanceFailed({ reason, cause: differences })
  })

  const findSmall = (stream: AppliedStream) =>
    table === weather ? SmallFiles.mergeByHour(table) : SmallFiles.mergeByFile(stream)

  const readState = Effect.fnUntraced(function* (upcoming: number) {
    const { folder, now } = yield* TableFiles.place(table)
    const young = now - Duration.toMillis(limits.snapshotAge)
    const expiry = yield* SnapshotChain.expiryOf(table, { keep: Math.max(1, keep - upcoming), young })
    return { folder, now, young, expiry }
  })

  const removable = Effect.fnUntraced(function* ({
    folder,
    now,
    expiry
  }: Effect.Success<ReturnType<typeof readState>>) {
    const orphansBefore = now - Duration.toMillis(limits.orphanAge)
    const files = yield* TableFiles.removable(table, {
      folder,
      expireBefore: expiry.before,
      replaced: expiry.replaced,
      queries: new Set(expiry.expiring.flatMap(({ summary }) => summary.trino_query_id ?? [])),
      orphansBefore
    })
    if (files.orphans.files === 0) return { ...files, held: Option.none<string>() }
    const held = yield* UncommittedFiles.uncommittedSince(
      expiry.sink,
      now - Duration.toMillis(limits.uncommitted),
      table
    )
    const count = files.orphans.files
    return Option.match(held, {
      onNone: () => ({ ...files, held }),
      onSome: (why) => ({
        ...files,
        orphans: { files: 0, bytes: 0 },
        held: Option.some(
          `${plural(count, "orphan file")} ${count === 1 ? "is" : "are"} kept, because ${why} and the sink may have written ${count === 1 ? "it" : "them"}.`
        )
      })
    })
  })

  const plan = Effect.gen(function* () {
    const small = yield* findSmall(yield* requireUnaltered)
    const state = yield* readState(small.statements)
    const { expired, orphans, held } = yield* removable(state)
    const left = [state.expiry.held, held].flatMap(Option.toArray)
    const plan: MaintenancePlan = {
      compact: SmallFiles.total(small.partitions),
      expire: { snapshots: state.expiry.expiring.length, ...expired },
      remove: orphans,
      ...(left.length === 0 ? {} : { left })
    }
    return plan
  }).pipe(Effect.withSpan("Maintenance.plan"), Effect.provide(services))

  const orphanAge = Math.ceil(Duration.toMillis(limits.orphanAge))
  const removeOrphans = `ALTER TABLE ${nameOf(table)} EXECUTE remove_orphan_files(retention_threshold => '${orphanAge}ms')`

  const run = Effect.fn("Maintenance.run")(function* (onProgress: RetryOnConflict.OnProgress) {
    const change = RetryOnConflict.make(onProgress)
    const step = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
      RetryOnConflict.withProgress(onProgress, name, effect)
    const stream = yield* requireUnaltered

    const before = yield* step("reading the table's metadata", readState(0))
    const files = TableFiles.count(before.folder, before.young)
    const filesBefore = yield* step("listing its files", files)

    yield* (yield* findSmall(stream)).merge(change)

    const merged = yield* step("reading the table's metadata", readState(0))
    const { expiring, before: time } = merged.expiry
    if (expiring.length > 0) {
      yield* change(`expiring ${plural(expiring.length, "snapshot")}`, SnapshotChain.expire(table, time))
    }

    const after = yield* step("reading the table's metadata", readState(0))
    const { orphans, held } = yield* step("looking for orphan files", removable(after))
    if (orphans.files > 0) yield* change(`removing ${plural(orphans.files, "orphan file")}`, removeOrphans)

    const { files: mergedFiles, into } = SnapshotChain.mergedSince(before.expiry, merged.expiry)
    const expired = SnapshotChain.expiredSince(merged.expiry, after.expiry)
    const removed = Math.max(0, filesBefore - (yield* step("counting the remaining files", files)))
    const done =
      mergedFiles + expired + removed === 0
        ? "There was nothing to do."
        : `Merged ${plural(mergedFiles, "file")} into ${into.toLocaleString("en-US")}, expired ${plural(expired, "snapshot")} and removed ${plural(removed, "file")}.`
    return [done, ...[after.expiry.held, held].flatMap(Option.toArray)].join(" ")
  }, Effect.provide(services))

  return Maintenance.of({ plan, run, continuesWhenInterrupted: false })
})

const session = ({ snapshotAge, orphanAge }: Limits) => ({
  "iceberg.expire_snapshots_min_retention": `${Math.floor(Duration.toMillis(snapshotAge))}ms`,
  "iceberg.remove_orphan_files_min_retention": `${Math.floor(Duration.toMillis(orphanAge))}ms`
})

export const within = (limits: Partial<Limits>, stream = weatherStream) =>
  Layer.effect(Maintenance, make(stream.definition.name, Effect.succeed(stream), limits)).pipe(
    Layer.provide(QueryLayer.withSession(session({ ...defaultLimits, ...limits })))
  )

/** Of a stream of the log. */
export const layerOf = (stream: string) =>
  Layer.effect(Maintenance, make(stream, streamNamed(stream), {})).pipe(
    Layer.provide(QueryLayer.withSession(session(defaultLimits)))
  )
