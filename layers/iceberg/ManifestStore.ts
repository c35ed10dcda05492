/** The manifests of one table: made here, and read with a cache of small ones for the merge to come. */
import { join } from "node:path"
import { Effect } from "effect"
import * as Manifest from "./Manifest.ts"
import { fullManifest } from "./ManifestMerge.ts"
import type { NewFile } from "./Publish.ts"
import { readManifest } from "./TableReader.ts"

export interface NewManifest {
  readonly described: Manifest.ManifestFile
  readonly file: NewFile
  readonly entries: ReadonlyArray<Manifest.ManifestEntry>
}

/** How many entries the cache holds, of all manifests together: enough that what the pieces of a compaction rewrite one after another is read once. */
const cachedEntries = fullManifest * 2

export const make = (tableFolder: string, writer: string) => {
  const cache = new Map<string, ReadonlyArray<Manifest.ManifestEntry>>()
  let cached = 0
  let made = 0

  const forget = (path: string) => {
    cached -= cache.get(path)?.length ?? 0
    cache.delete(path)
  }

  return {
    /** Not yet written. */
    prepare: (
      snapshotId: number,
      sequenceNumber: number,
      entries: ReadonlyArray<Manifest.ManifestEntry>
    ): NewManifest => {
      const bytes = Manifest.encodeEntries(entries)
      const path = join(tableFolder, "metadata", `${writer}-m${made++}.avro`)
      const described = Manifest.describe(path, bytes.length, snapshotId, sequenceNumber, entries)
      return { described, file: { path, bytes }, entries }
    },
    remember: ({ described, entries }: NewManifest) => {
      cache.set(described.manifest_path, entries)
      cached += entries.length
      for (const oldest of cache.keys()) {
        if (cached <= cachedEntries) return
        forget(oldest)
      }
    },
    forget,
    /** The entries that are not deleted, of all these manifests. */
    liveEntries: Effect.fnUntraced(function* (manifests: ReadonlyArray<Manifest.ManifestFile>) {
      const all = yield* Effect.forEach(
        manifests,
        (manifest) => {
          const known = cache.get(manifest.manifest_path)
          return known === undefined
            ? readManifest(tableFolder, tableFolder, manifest)
            : Effect.succeed(Manifest.inherit(manifest, known))
        },
        { concurrency: 8 }
      )
      return all.flat().filter((entry) => entry.status !== Manifest.status.deleted)
    })
  }
}
