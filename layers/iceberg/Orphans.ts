/** Files that no kept snapshot names: what a crash left behind, or what expired snapshots needed when a writer stopped. */
import { join } from "node:path"
import { Effect } from "effect"
import * as Files from "./Files.ts"
import { type ManifestFile, status } from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { pathOf } from "./Paths.ts"
import { readList, readManifest } from "./TableReader.ts"

const namedBy = Effect.fnUntraced(function* (tableFolder: string, metadata: Metadata.TableMetadata) {
  const lists = metadata.snapshots.map((snapshot) => pathOf(snapshot["manifest-list"]))
  const named = new Set([...lists, ...metadata["metadata-log"].map((entry) => pathOf(entry["metadata-file"]))])
  const manifests = new Map<string, ManifestFile>()
  for (const list of lists) {
    for (const manifest of yield* readList(tableFolder, tableFolder, list)) {
      manifests.set(pathOf(manifest.manifest_path), manifest)
    }
  }
  for (const [path, manifest] of manifests) {
    named.add(path)
    for (const entry of yield* readManifest(tableFolder, tableFolder, manifest)) {
      if (entry.status !== status.deleted) named.add(pathOf(entry.data_file.file_path))
    }
  }
  return named
})

const isMetadata = (name: string, version: number) => {
  const found = Metadata.versionOf(name)
  return found === undefined ? name.endsWith(".avro") || name.endsWith(".tmp") : found < version
}

/**
 * Paths of the orphans of a table at `version`. Files of this writer are left out: it may have made them since, and knows them
 * itself. Names that no writer of ours gives are left alone.
 */
export const findOrphans = Effect.fn("Orphans.findOrphans")(function* (
  tableFolder: string,
  writer: string,
  version: number,
  metadata: Metadata.TableMetadata
) {
  const named = yield* namedBy(tableFolder, metadata)
  const metadataFolder = join(tableFolder, "metadata")
  const orphans: Array<string> = []
  for (const name of yield* Files.list(metadataFolder)) {
    const path = join(metadataFolder, name)
    if (isMetadata(name, version) && !name.includes(writer) && !named.has(path)) orphans.push(path)
  }
  const dataFolder = join(tableFolder, "data")
  for (const partition of yield* Files.list(dataFolder)) {
    if (!partition.startsWith("ts=")) continue
    for (const name of yield* Files.list(join(dataFolder, partition))) {
      const path = join(dataFolder, partition, name)
      if (name.endsWith(".parquet") && !name.startsWith(writer) && !named.has(path)) orphans.push(path)
    }
  }
  return orphans
})
