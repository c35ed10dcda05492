/** The data files of the current snapshot, by partition. */
import type { TableSpec } from "../schema/TableSpec.ts"
import { DeleteFiles } from "./DeleteFiles.ts"
import * as Manifest from "./Manifest.ts"
import { pathOf } from "./paths.ts"

/** A data file of the current snapshot, as the writer keeps it in memory. */
export interface ActiveFile {
  readonly path: string
  /** The key of its partition. */
  readonly partition: string
  readonly rows: number
  readonly bytes: number
  /** The data sequence number: older delete files do not apply to this file. */
  readonly sequence: number
  /** Path of the manifest that lists it. */
  readonly manifest: string
}

export class ActiveFiles {
  private readonly partitions = new Map<string, Map<string, ActiveFile>>()
  private readonly deletes: DeleteFiles
  private readonly spec: TableSpec

  constructor(spec: TableSpec) {
    this.spec = spec
    this.deletes = new DeleteFiles(spec)
  }

  /** Adds or removes Parquet files under Floe's partition spec, of any writer, and delete files. */
  learn(manifest: Manifest.ManifestFile, entries: ReadonlyArray<Manifest.ManifestEntry>) {
    if (manifest.content !== Manifest.content.data) return this.deletes.learn(manifest, entries)
    for (const entry of entries) {
      const { data_file, status } = entry
      const partition = Manifest.partitionOf(this.spec, manifest, entry)
      if (partition === undefined || data_file.file_format.toUpperCase() !== "PARQUET") continue
      const file = { path: pathOf(data_file.file_path), partition }
      if (status === Manifest.status.deleted) this.remove(file)
      else
        this.put({
          ...file,
          rows: data_file.record_count,
          bytes: data_file.file_size_in_bytes,
          sequence: entry.sequence_number ?? manifest.sequence_number,
          manifest: manifest.manifest_path
        })
    }
  }

  private put(file: ActiveFile) {
    const files = this.partitions.get(file.partition)
    if (files === undefined) this.partitions.set(file.partition, new Map([[file.path, file]]))
    else files.set(file.path, file)
  }

  private remove(file: { readonly path: string; readonly partition: string }) {
    const files = this.partitions.get(file.partition)
    files?.delete(file.path)
    if (files?.size === 0) this.partitions.delete(file.partition)
  }

  get(partition: string, path: string): ActiveFile | undefined {
    return this.partitions.get(partition)?.get(path)
  }

  /** The files of a partition without deleted rows, which a merge would bring back. */
  wholeOf(partition: string): ReadonlyArray<ActiveFile> {
    return [...(this.partitions.get(partition)?.values() ?? [])].filter((file) => this.isWhole(file))
  }

  /** Whether the file is active and has no deleted rows. */
  isWhole(file: ActiveFile) {
    return this.get(file.partition, file.path) !== undefined && !this.deletes.mayApplyTo(file)
  }

  get keys(): ReadonlyArray<string> {
    return [...this.partitions.keys()]
  }
}
