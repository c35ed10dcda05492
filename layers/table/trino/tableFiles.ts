/** Files below a table's location, and which of them its metadata name. */
import { Effect, Schema, Stream } from "effect"
import type { Query } from "../../../services/Query.ts"
import type { Storage, StoredFile } from "../../../services/Storage.ts"
import { TableUnavailable } from "../../../services/Table.ts"
import { TableMissing } from "../../../services/TableReader.ts"
import * as Rows from "./rows.ts"

const Metadata = Schema.Tuple([Schema.String, Rows.Whole])

/** The table's folder in the warehouse, and what time it is for Trino. */
export const place = Effect.fn("TableFiles.place")(function* (
  query: Query["Service"],
  storage: Storage["Service"],
  table: string
) {
  const operation = "looking for its files"
  const [newest] = yield* Rows.all(
    query,
    { table, operation, row: Metadata },
    `SELECT file, ${Rows.millisOf("current_timestamp")} FROM ${Rows.about(table, "metadata_log_entries")} ORDER BY timestamp DESC LIMIT 1`
  )
  if (newest === undefined) {
    return yield* new TableMissing({ table: `iceberg.default.${table}`, advice: "floe table create makes it" })
  }
  const [file, now] = newest
  const path = /^s3a?:\/\/(.*)\/metadata\/[^/]*$/.exec(file)?.[1]
  const bucket = storage.warehouse.slice("s3://".length)
  if (path === undefined || !path.startsWith(`${bucket}/`)) {
    const reason = `its files are not in ${storage.warehouse} (${file}); set FLOE_S3_BUCKET to the bucket they are in`
    return yield* new TableUnavailable({ operation, reason, cause: file })
  }
  return { folder: path.slice(bucket.length + 1), now }
})

/** Of the folders that Trino looks for orphans in. */
const listed = (storage: Storage["Service"], folder: string) =>
  Stream.concat(storage.listAll(`${folder}/data`), storage.listAll(`${folder}/metadata`)).pipe(
    Stream.mapError(
      (error) =>
        new TableUnavailable({ operation: "listing its files", reason: error.message.replace(/\.$/, ""), cause: error })
    )
  )

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1)
const name = (column: string) => `regexp_extract(${column}, '[^/]*$')`

interface Expiring {
  /** Snapshots from before this time go. */
  readonly expireBefore: number
  /** All those go that the current one does not descend from, and there are some: the table was replaced. */
  readonly replaced: boolean
  /** Trino's queries that made the snapshots that go. */
  readonly queries: ReadonlySet<string>
}

/**
 * Names of all files that the table needs, by whether they go with the snapshots that expire. A file that a snapshot took
 * out goes with that snapshot; where only the one before it goes, Trino leaves the file behind as an orphan.
 */
const named = (table: string, { expireBefore, replaced }: Expiring) => {
  const isOld = (time: string) => `${Rows.millisOf(time)} < ${expireBefore}`
  return `
  WITH snapshots AS (SELECT snapshot_id, parent_id, committed_at, manifest_list FROM ${Rows.about(table, "snapshots")})
  SELECT ${name("e.data_file.file_path")},
    bool_or(e.status = 2 AND ${isOld("s.committed_at")})
      OR (${replaced} AND bool_and(e.status <> 2 AND live.file_path IS NULL))
  FROM ${Rows.about(table, "all_entries")} e
  LEFT JOIN snapshots s ON e.snapshot_id = s.snapshot_id
  LEFT JOIN snapshots parent ON s.parent_id = parent.snapshot_id
  LEFT JOIN ${Rows.about(table, "files")} live ON e.data_file.file_path = live.file_path
  GROUP BY 1
  HAVING NOT bool_or(e.status = 2 AND NOT coalesce(${isOld("s.committed_at")}, false)
    AND coalesce(${isOld("parent.committed_at")}, true))
  UNION ALL
  SELECT ${name("path")}, bool_and(${isOld("s.committed_at")})
  FROM ${Rows.about(table, "all_manifests")} m JOIN snapshots s ON m.reference_snapshot_id = s.snapshot_id
  GROUP BY 1
  UNION ALL
  SELECT ${name("manifest_list")}, ${isOld("committed_at")} FROM snapshots
  UNION ALL
  SELECT ${name("file")}, false FROM ${Rows.about(table, "metadata_log_entries")}`
}

const NamedRow = Schema.Tuple([Schema.String, Schema.Boolean])

/** Of a file of statistics, which nothing names: the query that wrote it. It goes with the snapshot that it is about. */
const statisticsBy = (name: string) => (name.endsWith(".stats") ? name.split("-")[0] : undefined)

const empty = { files: 0, bytes: 0 }
const and = (sum: typeof empty, { bytes }: StoredFile) => ({ files: sum.files + 1, bytes: sum.bytes + bytes })

/**
 * Files that go when the snapshots from before `expireBefore` do, and those from before `orphansBefore` that nothing names.
 * Only names are held in memory, some 100 bytes for each file that the table needs.
 */
export const dispensable = Effect.fn("TableFiles.dispensable")(function* (
  query: Query["Service"],
  storage: Storage["Service"],
  table: string,
  where: Expiring & { readonly folder: string; readonly orphansBefore: number }
) {
  const onlyOld = new Map<string, boolean>()
  yield* Stream.runForEach(
    Rows.stream(query, { table, operation: "reading which files it needs", row: NamedRow }, named(table, where)),
    ([name, old]) => Effect.sync(() => onlyOld.set(name, old))
  )
  return yield* Stream.runFold(
    listed(storage, where.folder),
    () => ({ expired: empty, orphans: empty }),
    (sum, file) => {
      const name = nameOf(file.path)
      const query = statisticsBy(name)
      const old = query === undefined ? onlyOld.get(name) : where.queries.has(query)
      if (old === true) return { ...sum, expired: and(sum.expired, file) }
      const isOrphan = old === undefined && file.modifiedAt < where.orphansBefore
      return isOrphan ? { ...sum, orphans: and(sum.orphans, file) } : sum
    }
  )
})

/** Those from before a time; what is written meanwhile does not count. */
export const count = (storage: Storage["Service"], folder: string, before: number) =>
  Stream.runFold(
    listed(storage, folder),
    () => 0,
    (count, { modifiedAt }) => (modifiedAt < before ? count + 1 : count)
  )
