/** Leases a snapshot, the newest or an older one, so that its files stay while they are read. */
import { basename } from "node:path"
import { Effect, Option } from "effect"
import { Leases } from "../../../services/Leases.ts"
import { type AsOf, SnapshotMissing, TableMissing, weather } from "../../../services/TableReader.ts"
import type * as Metadata from "./Metadata.ts"
import { currentSnapshot } from "./Metadata.ts"
import { readMetadata } from "./MetadataFiles.ts"

const missing = (tableFolder: string) => {
  const name = basename(tableFolder)
  return new TableMissing({
    table: `at ${tableFolder}`,
    advice:
      name === weather
        ? "start the sink (npm start) and log a record"
        : `if ${name} is a stream, the first event creates it, else floe rebuild --into ${name}`
  })
}

/** The newest metadata; fails with TableMissing before the first commit. */
export const metadataOf = Effect.fnUntraced(function* (tableFolder: string) {
  const newest = yield* readMetadata(tableFolder)
  if (Option.isNone(newest)) return yield* missing(tableFolder)
  return newest.value.metadata
})

const find = (metadata: Metadata.TableMetadata, asOf: AsOf) => {
  if (asOf._tag === "Snapshot") return metadata.snapshots.find((one) => String(one["snapshot-id"]) === asOf.id)
  const then = metadata["snapshot-log"].findLast((entry) => entry["timestamp-ms"] <= asOf.millis)
  return metadata.snapshots.find((one) => one["snapshot-id"] === then?.["snapshot-id"])
}

const chosen = (metadata: Metadata.TableMetadata, asOf: AsOf | undefined) => {
  const snapshot = asOf === undefined ? currentSnapshot(metadata) : find(metadata, asOf)
  if (snapshot !== undefined || asOf === undefined) return Effect.succeed(snapshot)
  const [oldest] = metadata.snapshots
  return Effect.fail(
    new SnapshotMissing({
      asOf,
      kept: metadata.snapshots.length,
      oldest: String(oldest?.["snapshot-id"]),
      oldestAt: oldest?.["timestamp-ms"] ?? 0
    })
  )
}

/** On a read-only folder or a full disk a query reads without a lease, and relies on the grace period of removed files. */
const hold = Effect.fnUntraced(function* (tableFolder: string, snapshotId: string) {
  const leases = yield* Leases
  const failure = yield* leases.hold(snapshotId).pipe(Effect.as(undefined), Effect.catch(Effect.succeed))
  if (failure === undefined) return
  const warned = Effect.gen(function* () {
    const { snapshots } = yield* metadataOf(tableFolder)
    if (snapshots.some((one) => String(one["snapshot-id"]) === snapshotId)) return
    yield* Effect.logWarning(
      `Snapshot ${snapshotId} expired while it was read, and no lease could keep its files (${failure.reason}). Run the query again.`
    )
  })
  yield* Effect.addFinalizer((exit) => (exit._tag === "Failure" ? Effect.ignore(warned) : Effect.void))
})

/** A snapshot whose files stay until the scope closes, and metadata that contains it. */
export const withLeasedSnapshot = Effect.fn("SnapshotLease.withLeasedSnapshot")(function* (
  tableFolder: string,
  asOf: AsOf | undefined
) {
  for (;;) {
    const snapshot = yield* chosen(yield* metadataOf(tableFolder), asOf)
    if (snapshot === undefined) return yield* missing(tableFolder)
    yield* hold(tableFolder, String(snapshot["snapshot-id"]))
    const metadata = yield* metadataOf(tableFolder)
    const kept = metadata.snapshots.find((one) => one["snapshot-id"] === snapshot["snapshot-id"])
    if (kept !== undefined) return { metadata, snapshot: kept }
  }
})
