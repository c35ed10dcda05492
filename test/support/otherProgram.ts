/** Another program that commits like a plain Hadoop catalog: it renames metadata into place, over existing files. */
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as ExactJson from "../../layers/table/iceberg/exactJson.ts"
import * as Metadata from "../../layers/table/iceberg/Metadata.ts"
import { metadataFile } from "./icebergTable.ts"

export const read = (tableFolder: string, version: number) =>
  Metadata.decode(readFileSync(metadataFile(tableFolder, version), "utf8"))

const write = (tableFolder: string, version: number, metadata: Metadata.TableMetadata) => {
  const temporary = join(tableFolder, "metadata", "7e1f0c0a-0000-4000-8000-000000000000.metadata.json")
  writeFileSync(temporary, ExactJson.stringify(metadata))
  renameSync(temporary, metadataFile(tableFolder, version))
  for (const name of [`v${version}.metadata.json`, "version-hint.text"]) {
    writeFileSync(join(tableFolder, "metadata", `.${name}.crc`), "crc")
  }
  writeFileSync(join(tableFolder, "metadata", "version-hint.text"), String(version))
}

/** Commits a snapshot with the same files on top of version `from`, as version `to`. */
export const commit = (
  tableFolder: string,
  from: number,
  to: number,
  options: { readonly id?: bigint; readonly keep?: (snapshot: Metadata.Snapshot) => boolean } = {}
) => {
  const before = read(tableFolder, from)
  const { id = 4695896948513303399n, keep = () => true } = options
  const parent = Metadata.currentSnapshot(before)
  if (parent === undefined) throw new Error("has no snapshot")
  const list = join(tableFolder, "metadata", `snap-${id}-1-7e1f0c0a-0000-4000-8000-000000000000.avro`)
  copyFileSync(parent["manifest-list"], list)
  const snapshot: Metadata.Snapshot = {
    "snapshot-id": id,
    "parent-snapshot-id": parent["snapshot-id"],
    "sequence-number": before["last-sequence-number"] + 1,
    "timestamp-ms": before["last-updated-ms"] + 1,
    "manifest-list": list,
    summary: { operation: "append", "engine-name": "spark" }
  }
  write(tableFolder, to, {
    ...before,
    "last-sequence-number": before["last-sequence-number"] + 1,
    "last-updated-ms": before["last-updated-ms"] + 1,
    "current-snapshot-id": id,
    refs: { ...before.refs, main: { "snapshot-id": id, type: "branch" } },
    snapshots: [...before.snapshots.filter(keep), snapshot],
    "snapshot-log": [...before["snapshot-log"], { "timestamp-ms": before["last-updated-ms"] + 1, "snapshot-id": id }]
  })
  return id
}

/** Makes an older snapshot the current one. */
export const rollBack = (tableFolder: string, from: number, to: number, id: bigint) => {
  const before = read(tableFolder, from)
  write(tableFolder, to, {
    ...before,
    "current-snapshot-id": id,
    refs: { ...before.refs, main: { "snapshot-id": id, type: "branch" } },
    "snapshot-log": [...before["snapshot-log"], { "timestamp-ms": before["last-updated-ms"] + 1, "snapshot-id": id }]
  })
}

export const checksums = (tableFolder: string) =>
  readdirSync(join(tableFolder, "metadata")).filter((name) => name.endsWith(".crc"))

export const removeMetadata = (tableFolder: string, version: number) => rmSync(metadataFile(tableFolder, version))
