/** The manifests of one table: made here, and read with a cache of small ones for the merge to come. */
import { join } from "node:path"
import { Effect } from "effect"
import type { NewFile } from "./commitMetadata.ts"
import * as Manifest from "./Manifest.ts"
import { fullManifest } from "./manifestMerge.ts"
import { readWritten } from "./readTable.ts"

export interface NewManifest {
  readonly described: Manifest.ManifestFile
  readonly file: NewFile
  readonly form: Manifest.Form
  readonly entries: ReadonlyArray<Manifest.ManifestEntry>
}

/** Entries that are written in one form. */
export type Formed = Pick<NewManifest, "form" | "entries">

/** How many entries the cache holds, of all manifests together: enough that what the pieces of a compaction rewrite one after another is read once. */
const cachedEntries = fullManifest * 2

export const make = (tableFolder: string, writer: string) => {
  const cache = new Map<string, Formed>()
  let cached = 0
  let made = 0

  const forget = (path: string) => {
    cached -= cache.get(path)?.entries.length ?? 0
    cache.delete(path)
  }

  return {
    /** Not yet written. */
    prepare: (
      snapshotId: bigint,
      sequenceNumber: number,
      entries: ReadonlyArray<Manifest.ManifestEntry>,
      form: Manifest.Form
    ): NewManifest => {
      const bytes = Manifest.encodeEntries(entries, form)
      const path = join(tableFolder, "metadata", `${writer}-m${made++}.avro`)
      const described = Manifest.describe(path, bytes.length, snapshotId, sequenceNumber, entries, form)
      return { described, file: { path, bytes }, form, entries }
    },
    remember: ({ described, entries, form }: NewManifest) => {
      cache.set(described.manifest_path, { entries, form })
      cached += entries.length
      for (const oldest of cache.keys()) {
        if (cached <= cachedEntries) return
        forget(oldest)
      }
    },
    forget,
    forgetAllBut: (paths: ReadonlySet<string>) => {
      for (const path of cache.keys()) if (!paths.has(path)) forget(path)
    },
    /** The entries that are not deleted, of all these manifests, those of one form together. */
    liveEntries: Effect.fnUntraced(function* (manifests: ReadonlyArray<Manifest.ManifestFile>) {
      const all = yield* Effect.forEach(
        manifests,
        (manifest) => {
          const known = cache.get(manifest.manifest_path)
          const written = known === undefined ? readWritten(tableFolder, tableFolder, manifest) : Effect.succeed(known)
          return Effect.map(written, ({ entries, form }) => ({
            form,
            entries: Manifest.inherit(manifest, entries).filter((entry) => entry.status !== Manifest.status.deleted)
          }))
        },
        { concurrency: 8 }
      )
      return [...Map.groupBy(all, ({ form }) => Manifest.keyOf(form)).values()].flatMap((same): Formed | [] =>
        same[0] === undefined ? [] : { form: same[0].form, entries: same.flatMap(({ entries }) => entries) }
      )
    })
  }
}
