/** The files of a snapshot that delete rows of others: which data files they may be about. */
import { basename } from "node:path"
import * as Manifest from "./Manifest.ts"

interface DeleteFile {
  readonly content: Manifest.ContentFile["content"]
  readonly sequence: number
  /** Undefined for one that is about files of any partition. */
  readonly ts: string | undefined
}

/** Only those that may be about files of Floe's own partition spec: by the specification, position deletes are about files of their own. */
export class DeleteFiles {
  private readonly files = new Map<string, DeleteFile>()
  private readonly partitions = new Map<string | undefined, Set<string>>()

  learn(manifest: Manifest.ManifestFile, entries: ReadonlyArray<Manifest.ManifestEntry>) {
    for (const entry of entries) {
      const { content, file_path, partition } = entry.data_file
      const ts = Manifest.hourOf(manifest, entry)
      const isEverywhere = content === Manifest.content.equalityDeletes && Object.keys(partition).length === 0
      if (ts === undefined && !isEverywhere) continue
      const paths = this.partitions.get(ts) ?? new Set()
      if (entry.status === Manifest.status.deleted) {
        this.files.delete(file_path)
        paths.delete(file_path)
      } else {
        this.files.set(file_path, { content, sequence: entry.sequence_number ?? manifest.sequence_number, ts })
        this.partitions.set(ts, paths.add(file_path))
      }
    }
  }

  /** The one that may delete rows of this data file; undefined if none does. */
  about(file: { readonly ts: string; readonly sequence: number }) {
    for (const paths of [this.partitions.get(file.ts), this.partitions.get(undefined)]) {
      for (const path of paths ?? []) {
        const found = this.files.get(path)
        if (found === undefined) continue
        const isEquality = found.content === Manifest.content.equalityDeletes
        if (isEquality ? found.sequence > file.sequence : found.sequence >= file.sequence) return basename(path)
      }
    }
    return undefined
  }
}
