/** The committed state of a table, read from its files. */
import { Effect, Option } from "effect"
import * as LogProgress from "../../layers/table/iceberg/logProgress.ts"
import * as Metadata from "../../layers/table/iceberg/Metadata.ts"
import { readMetadata } from "../../layers/table/iceberg/MetadataFiles.ts"
import { readFiles, type TableFile } from "../../layers/table/iceberg/readManifests.ts"
import type { Progress, TableBroken, TableUnavailable } from "../../services/TableWriter.ts"

export interface SnapshotInfo {
  /** 64-bit integers, as text. */
  readonly snapshotId: string
  readonly parentId: Option.Option<string>
  readonly operation: string
  /** Milliseconds since 1970. */
  readonly committedAt: number
  readonly progress: Progress | undefined
  /** Of the whole table at that snapshot, if its writer recorded them. */
  readonly rows: number | undefined
  readonly files: number | undefined
  readonly bytes: number | undefined
}

/** The table at its newest snapshot. */
export interface TableState {
  /** N of the newest `v<N>.metadata.json`. */
  readonly version: number
  /** A 64-bit integer, as text. */
  readonly snapshotId: string
  /** The snapshots that the table keeps. */
  readonly snapshotIds: ReadonlySet<string>
  /** Undefined if the table does not record it. */
  readonly progress: Progress | undefined
  /** The table's folder as the metadata record it: the old folder after a move, until the sink starts. */
  readonly location: string
  readonly files: ReadonlyArray<TableFile>
}

/** The table at its newest snapshot; none before the first commit. */
export const readTable = Effect.fnUntraced(function* (
  tableFolder: string
): Effect.fn.Return<Option.Option<TableState>, TableUnavailable | TableBroken> {
  for (let tries = 0; ; tries++) {
    const current = yield* readMetadata(tableFolder)
    if (Option.isNone(current)) return Option.none()
    const { metadata, snapshot, version } = current.value
    const files = yield* readFiles(tableFolder, current.value).pipe(
      Effect.map(Option.some),
      // The snapshot may have expired meanwhile, and its manifests with it.
      Effect.catchIf(
        (error) => error._tag === "TableBroken" && tries < 5,
        (error) =>
          Effect.flatMap(readMetadata(tableFolder), (next) =>
            Option.isSome(next) && next.value.version === version ? Effect.fail(error) : Effect.succeedNone
          )
      )
    )
    if (Option.isNone(files)) continue
    return Option.some({
      version,
      snapshotId: String(snapshot["snapshot-id"]),
      snapshotIds: new Set(metadata.snapshots.map((kept) => String(kept["snapshot-id"]))),
      progress: Option.getOrUndefined(LogProgress.at(metadata, snapshot)),
      location: metadata.location,
      files: files.value
    })
  }
})

/** Newest first; none before the first commit. */
export const listSnapshots = Effect.fnUntraced(function* (tableFolder: string) {
  const current = yield* readMetadata(tableFolder)
  if (Option.isNone(current)) return []
  return current.value.metadata.snapshots.toReversed().map(
    (snapshot): SnapshotInfo => ({
      snapshotId: String(snapshot["snapshot-id"]),
      parentId: Option.map(Option.fromNullishOr(snapshot["parent-snapshot-id"]), String),
      operation: Metadata.operationOf(snapshot),
      committedAt: snapshot["timestamp-ms"],
      progress: Metadata.progressOf(snapshot),
      rows: Metadata.countOf(snapshot, "total-records"),
      files: Metadata.countOf(snapshot, "total-data-files"),
      bytes: Metadata.countOf(snapshot, "total-files-size")
    })
  )
})
