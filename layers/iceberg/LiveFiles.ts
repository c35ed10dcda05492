/** The data files of the current snapshot, by partition, as the writer keeps them in memory. */
export interface LiveFile {
  readonly path: string
  readonly ts: string
  readonly rows: number
  readonly bytes: number
  /** Path of the manifest that has its entry. */
  readonly manifest: string
}

export class LiveFiles {
  private readonly partitions = new Map<string, Map<string, LiveFile>>()

  put(file: LiveFile) {
    const files = this.partitions.get(file.ts)
    if (files === undefined) this.partitions.set(file.ts, new Map([[file.path, file]]))
    else files.set(file.path, file)
  }

  remove(file: { readonly path: string; readonly ts: string }) {
    const files = this.partitions.get(file.ts)
    files?.delete(file.path)
    if (files?.size === 0) this.partitions.delete(file.ts)
  }

  get(ts: string, path: string): LiveFile | undefined {
    return this.partitions.get(ts)?.get(path)
  }

  of(ts: string): ReadonlyArray<LiveFile> {
    return [...(this.partitions.get(ts)?.values() ?? [])]
  }

  get hours(): ReadonlyArray<string> {
    return [...this.partitions.keys()]
  }
}
