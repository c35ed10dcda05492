/** The delete files of a snapshot, and the data files to which they may apply. */
import type { TableSpec } from "../schema/TableSpec.ts"
import * as Manifest from "./Manifest.ts"

interface DeleteFile {
  readonly content: Manifest.ContentFile["content"]
  readonly sequence: number
  readonly partition: string | undefined
}

/** Only those that may apply to files under Floe's partition spec: position deletes apply to their own spec only. */
export class DeleteFiles {
  private readonly files = new Map<string, DeleteFile>()
  private readonly partitions = new Map<string | undefined, Set<string>>()
  private readonly spec: TableSpec

  constructor(spec: TableSpec) {
    this.spec = spec
  }

  learn(manifest: Manifest.ManifestFile, entries: ReadonlyArray<Manifest.ManifestEntry>) {
    for (const entry of entries) {
      const { content, file_path, partition: values } = entry.data_file
      const partition = Manifest.partitionOf(this.spec, manifest, entry)
      const isEverywhere = content === Manifest.content.equalityDeletes && Object.keys(values).length === 0
      if (partition === undefined && !isEverywhere) continue
      const paths = this.partitions.get(partition) ?? new Set()
      if (entry.status === Manifest.status.deleted) {
        this.files.delete(file_path)
        paths.delete(file_path)
      } else {
        this.files.set(file_path, { content, sequence: entry.sequence_number ?? manifest.sequence_number, partition })
        this.partitions.set(partition, paths.add(file_path))
      }
    }
  }

  /** Whether any of them may delete rows of this data file. */
  mayApplyTo(file: { readonly partition: string; readonly sequence: number }) {
    for (const paths of [this.partitions.get(file.partition), this.partitions.get(undefined)]) {
      for (const path of paths ?? []) {
        const deletes = this.files.get(path)
        if (deletes === undefined) continue
        const isEquality = deletes.content === Manifest.content.equalityDeletes
        if (isEquality ? deletes.sequence > file.sequence : deletes.sequence >= file.sequence) return true
      }
    }
    return false
  }
}
