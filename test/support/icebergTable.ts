import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import { avroMetadata, avroRead } from "icebird"
import { at } from "../../layers/runtime/DataFolder.ts"
import * as SqliteLeases from "../../layers/table/iceberg/Leases.ts"
import * as TableWriter from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { type TableWriter as Table, TableUnavailable } from "../../services/TableWriter.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { temporary } from "./dataFolder.ts"
import { icebirdRows, sorted } from "./icebirdReader.ts"
import { readTable } from "./readTable.ts"

export const environment = SqliteLeases.layer.pipe(Layer.provideMerge(temporary))

export const environmentAt = (root: string) => SqliteLeases.layer.pipe(Layer.provideMerge(at(root)))

export const diskFull = new TableUnavailable({
  operation: "writing",
  reason: "the disk is full",
  cause: Object.assign(new Error("ENOSPC"), { code: "ENOSPC" })
})

export const hour = "2026-01-08-14"

/** Rows that `label` distinguishes. */
export const someRows = (count: number, label: string, ts = hour): ReadonlyArray<WeatherRecord> =>
  Array.from({ length: count }, (_, i) => ({ city: `${label} ${i}`, temperature: `${i}.25`, ts }))

/** A writer for the table of the data folder, or for another one; closed with the scope. */
export const openWriter = Effect.fnUntraced(function* (
  options: Partial<Omit<TableWriter.TableWriterOptions, "tempFolder">> = {}
) {
  const folder = yield* DataFolder
  return yield* TableWriter.make({
    tableFolder: folder.table,
    tempFolder: join(folder.root, "temp"),
    snapshotKeep: 100,
    ...options
  })
})

/** Commits rows that follow those in the table. */
export const add = Effect.fnUntraced(function* (writer: Table["Service"], rows: ReadonlyArray<WeatherRecord>) {
  const before = yield* writer.committed
  const offset = Option.isSome(before) ? before.value.progress.offset : 0
  yield* writer.stage(rows)
  return yield* writer.commit({ logId: "a-log", offset: offset + rows.length })
})

/** Runs upkeep until there is nothing left to do. */
export const maintainAll = Effect.fnUntraced(function* (writer: Table["Service"]) {
  const total = { filesCompacted: 0, filesWritten: 0, snapshotsExpired: 0, filesRemoved: 0 }
  for (;;) {
    const done = yield* writer.maintain
    total.filesCompacted += done.filesCompacted
    total.filesWritten += done.filesWritten
    total.snapshotsExpired += done.snapshotsExpired
    total.filesRemoved += done.filesRemoved
    if (Object.values(done).every((count) => count === 0)) return total
  }
})

/** Asserts that both readers see exactly these rows in the table. */
export const assertRows = Effect.fnUntraced(function* (tableFolder: string, rows: ReadonlyArray<WeatherRecord>) {
  assert.deepStrictEqual(sorted(yield* icebirdRows(tableFolder)), sorted(rows))
  const table = yield* readTable(tableFolder)
  const files = Option.isSome(table) ? table.value.files : []
  assert.strictEqual(
    files.reduce((sum, file) => sum + file.rows, 0),
    rows.length
  )
  for (const file of files) assert.strictEqual(statSync(file.path).size, file.bytes)
})

/** All files under a folder, as absolute paths. */
export const filesUnder = (folder: string): ReadonlyArray<string> =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
    : []

/** An Avro file as icebird reads it, with its header. */
export const readAvro = (path: string) => {
  const bytes = readFileSync(path)
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 }
  const header = avroMetadata(reader)
  return { header: header.metadata, records: avroRead({ reader, ...header }) }
}

const decodeJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

export const metadataFile = (tableFolder: string, version: number) =>
  join(tableFolder, "metadata", `v${version}.metadata.json`)

export const readJson = (path: string) => decodeJson(readFileSync(path, "utf8"))

const Named = Schema.Struct({
  location: Schema.String,
  snapshots: Schema.Array(Schema.Struct({ "manifest-list": Schema.String }))
})
const decodeManifests = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ manifest_path: Schema.String })))
const decodeEntries = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ status: Schema.Int, data_file: Schema.Struct({ file_path: Schema.String }) }))
)

/** Every file that the metadata on disk references, or that of one version, read without the code under test. */
export const namedFiles = (tableFolder: string, version?: number) => {
  const folder = join(tableFolder, "metadata")
  const versions = readdirSync(folder).filter((name) =>
    version === undefined ? /^v\d+\.metadata\.json$/.test(name) : name === `v${version}.metadata.json`
  )
  const named = new Set([...versions.map((name) => join(folder, name)), join(folder, "version-hint.text")])
  for (const name of versions) {
    const metadata = Schema.decodeUnknownSync(Named)(readJson(join(folder, name)))
    // The metadata of a table that was moved name its old location.
    const placed = (path: string) => path.replace(metadata.location, tableFolder)
    for (const snapshot of metadata.snapshots) {
      const list = placed(snapshot["manifest-list"])
      if (named.has(list)) continue
      named.add(list)
      for (const { manifest_path } of decodeManifests(readAvro(list).records)) {
        const manifest = placed(manifest_path)
        if (named.has(manifest)) continue
        named.add(manifest)
        for (const entry of decodeEntries(readAvro(manifest).records)) {
          if (entry.status !== 2) named.add(placed(entry.data_file.file_path))
        }
      }
    }
  }
  return [...named].sort()
}

/** The files of a table, without the records of files that have left it. */
export const tableFiles = (tableFolder: string) =>
  filesUnder(tableFolder).filter((path) => !/floe-left-\d+\.ndjson$/.test(path))
