/** The manifests of one table: prepares new ones, and caches the entries of small ones for the next merge. */
import { join } from "node:path"
import { Effect } from "effect"
import type { TableSpec } from "../schema/TableSpec.ts"
import type { NewFile } from "./commitMetadata.ts"
import * as Manifest from "./Manifest.ts"
import { encodeEntries } from "./manifestCodec.ts"
import type { FormedEntries } from "./manifestEntries.ts"
import { formKey } from "./manifestFormat.ts"
import { fullManifest } from "./manifestMerge.ts"
import { readWritten } from "./readManifests.ts"

export interface NewManifest extends FormedEntries {
  readonly described: Manifest.ManifestFile
  readonly file: NewFile
}

/** Entries in the cache, over all manifests: enough that a compaction in several pieces reads each manifest once. */
const maxCachedEntries = fullManifest * 2

export const make = (tableFolder: string, writer: string, spec: () => TableSpec) => {
  const cache = new Map<string, FormedEntries>()
  let cachedEntries = 0
  let created = 0

  const forget = (path: string) => {
    cachedEntries -= cache.get(path)?.entries.length ?? 0
    cache.delete(path)
  }

  return {
    /** A manifest that is not yet written. */
    prepare: (snapshotId: bigint, sequenceNumber: number, { entries, form }: FormedEntries): NewManifest => {
      const bytes = encodeEntries(entries, form)
      const path = join(tableFolder, "metadata", `${writer}-m${created++}.avro`)
      const described = Manifest.describe(path, bytes.length, snapshotId, sequenceNumber, entries, form, spec())
      return { described, file: { path, bytes }, form, entries }
    },
    remember: ({ described, entries, form }: NewManifest) => {
      cache.set(described.manifest_path, { entries, form })
      cachedEntries += entries.length
      for (const oldest of cache.keys()) {
        if (cachedEntries <= maxCachedEntries) return
        forget(oldest)
      }
    },
    forget,
    forgetAllBut: (paths: ReadonlySet<string>) => {
      for (const path of cache.keys()) if (!paths.has(path)) forget(path)
    },
    /** The entries of these manifests that are not deleted, one item per form. */
    liveEntries: Effect.fnUntraced(function* (manifests: ReadonlyArray<Manifest.ManifestFile>) {
      const all = yield* Effect.forEach(
        manifests,
        (manifest) => {
          const cached = cache.get(manifest.manifest_path)
          const written =
            cached === undefined ? readWritten(tableFolder, tableFolder, manifest) : Effect.succeed(cached)
          return Effect.map(written, ({ entries, form }) => ({
            form,
            entries: Manifest.inherit(manifest, entries).filter((entry) => entry.status !== Manifest.status.deleted)
          }))
        },
        { concurrency: 8 }
      )
      return [...Map.groupBy(all, ({ form }) => formKey(form)).values()].flatMap((same): FormedEntries | [] =>
        same[0] === undefined ? [] : { form: same[0].form, entries: same.flatMap(({ entries }) => entries) }
      )
    })
  }
}
export type ManifestStore = ReturnType<typeof make>
