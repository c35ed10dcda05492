/** Compares the files below a table's location with the files that its metadata names. */
import { Effect, Schema, Stream } from "effect"
import { Storage, type StoredFile } from "../../../services/Storage.ts"
import { TableMissing, weather } from "../../../services/TableReader.ts"
import { TableUnavailable } from "../../../services/TableWriter.ts"
import * as Rows from "./rows.ts"

const Metadata = Schema.Tuple([Schema.String, Rows.Whole])

/** The table's folder in the warehouse, and Trino's clock in milliseconds since 1970. */
export const place = Effect.fn("TableFiles.place")(function* (table: string) {
  const operation = "looking for its files"
  const { warehouse } = yield* Storage
  const [newest] = yield* Rows.all(
    { table, operation, row: Metadata },
    `SELECT file, ${Rows.millisOf("current_timestamp")} FROM ${Rows.metadataTable(table, "metadata_log_entries")} ORDER BY timestamp DESC LIMIT 1`
  )
  if (newest === undefined) {
    return yield* new TableMissing({
      table: `iceberg.default.${table}`,
      advice: `run floe table create${table === weather ? "" : ` --stream ${table}`}`
    })
  }
  const [file, now] = newest
  const path = /^s3a?:\/\/(.*)\/metadata\/[^/]*$/.exec(file)?.[1]
  const bucket = warehouse.slice("s3://".length)
  if (path === undefined || !path.startsWith(`${bucket}/`)) {
    const reason = `its files are not in ${warehouse} (${file}); set FLOE_S3_BUCKET to the bucket that has them`
    return yield* new TableUnavailable({ operation, reason, cause: file })
  }
  return { folder: path.slice(bucket.length + 1), now }
})

const listFiles = (folder: string) =>
  Stream.unwrap(
    Storage.use(({ listAll }) =>
      Effect.succeed(Stream.concat(listAll(`${folder}/data`), listAll(`${folder}/metadata`)))
    )
  ).pipe(
    Stream.mapError(
      (error) =>
        new TableUnavailable({ operation: "listing its files", reason: error.message.replace(/\.$/, ""), cause: error })
    )
  )

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1)
const name = (column: string) => `regexp_extract(${column}, '[^/]*$')`

interface Expiring {
  /** Snapshots committed before this time expire. */
  readonly expireBefore: number
  /** The table was replaced, and all snapshots outside the current chain expire. */
  readonly replaced: boolean
  /** Ids of the Trino queries that committed the snapshots that expire. */
  readonly queries: ReadonlySet<string>
}

/**
 * SQL for the names of all files that the metadata names, and whether each goes with the snapshots that expire. A file that
 * a snapshot removed goes with that snapshot; if only the snapshot before it expires, Trino leaves the file as an orphan.
 */
const namedFiles = (table: string, { expireBefore, replaced }: Expiring) => {
  const isOld = (time: string) => `${Rows.millisOf(time)} < ${expireBefore}`
  return `
  WITH snapshots AS (SELECT snapshot_id, parent_id, committed_at, manifest_list FROM ${Rows.metadataTable(table, "snapshots")})
  SELECT ${name("e.data_file.file_path")},
    bool_or(e.status = 2 AND ${isOld("s.committed_at")})
      OR (${replaced} AND bool_and(e.status <> 2 AND live.file_path IS NULL))
  FROM ${Rows.metadataTable(table, "all_entries")} e
  LEFT JOIN snapshots s ON e.snapshot_id = s.snapshot_id
  LEFT JOIN snapshots parent ON s.parent_id = parent.snapshot_id
  LEFT JOIN ${Rows.metadataTable(table, "files")} live ON e.data_file.file_path = live.file_path
  GROUP BY 1
  HAVING NOT bool_or(e.status = 2 AND NOT coalesce(${isOld("s.committed_at")}, false)
    AND coalesce(${isOld("parent.committed_at")}, true))
  UNION ALL
  SELECT ${name("path")}, bool_and(${isOld("s.committed_at")})
  FROM ${Rows.metadataTable(table, "all_manifests")} m JOIN snapshots s ON m.reference_snapshot_id = s.snapshot_id
  GROUP BY 1
  UNION ALL
  SELECT ${name("manifest_list")}, ${isOld("committed_at")} FROM snapshots
  UNION ALL
  SELECT ${name("file")}, false FROM ${Rows.metadataTable(table, "metadata_log_entries")}`
}

const NamedRow = Schema.Tuple([Schema.String, Schema.Boolean])

/** The query that wrote a statistics file, which no metadata file names. The file goes with that query's snapshot. */
const statisticsQuery = (name: string) => (name.endsWith(".stats") ? name.split("-")[0] : undefined)

const empty = { files: 0, bytes: 0 }
const and = (sum: typeof empty, { bytes }: StoredFile) => ({ files: sum.files + 1, bytes: sum.bytes + bytes })

/**
 * Counts the files that go with the snapshots before `expireBefore`, and the orphans from before `orphansBefore`.
 * Keeps only names in memory, about 100 bytes for each file of the table.
 */
export const removable = Effect.fn("TableFiles.removable")(function* (
  table: string,
  where: Expiring & { readonly folder: string; readonly orphansBefore: number }
) {
  const onlyOld = new Map<string, boolean>()
  yield* Stream.runForEach(
    Rows.stream({ table, operation: "reading which files it needs", row: NamedRow }, namedFiles(table, where)),
    ([name, old]) => Effect.sync(() => onlyOld.set(name, old))
  )
  return yield* Stream.runFold(
    listFiles(where.folder),
    () => ({ expired: empty, orphans: empty }),
    (sum, file) => {
      const name = nameOf(file.path)
      const query = statisticsQuery(name)
      const old = query === undefined ? onlyOld.get(name) : where.queries.has(query)
      if (old === true) return { ...sum, expired: and(sum.expired, file) }
      const isOrphan = old === undefined && file.modifiedAt < where.orphansBefore
      return isOrphan ? { ...sum, orphans: and(sum.orphans, file) } : sum
    }
  )
})

/** Counts the files from before a time, so that files written meanwhile do not count. */
export const count = (folder: string, before: number) =>
  Stream.runFold(
    listFiles(folder),
    () => 0,
    (count, { modifiedAt }) => (modifiedAt < before ? count + 1 : count)
  )
