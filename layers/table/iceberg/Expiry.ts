/** The files that leave the table with an expired snapshot: those that no kept snapshot has. */
import { Effect } from "effect"
import type { TableSpec } from "../schema/TableSpec.ts"
import { type ManifestEntry, type ManifestFile, mayHave, status } from "./Manifest.ts"
import type { Snapshot } from "./Metadata.ts"
import { pathOf } from "./paths.ts"
import { readList, readManifest } from "./readManifests.ts"

const maxCachedPaths = 50_000

/** Reads the dropped snapshots of one table; its caches live as long as the writer. */
export const make = (tableFolder: string, spec: TableSpec) => {
  const known = new Map<string, ManifestFile>()
  const lists = new Map<bigint, ReadonlyArray<ManifestFile>>()
  const live = new Map<string, ReadonlySet<string>>()
  let cachedPaths = 0

  const manifestsOf = Effect.fnUntraced(function* (snapshot: Snapshot) {
    const id = snapshot["snapshot-id"]
    const before = lists.get(id)
    if (before !== undefined) return before
    const manifests = yield* readList(tableFolder, tableFolder, snapshot["manifest-list"])
    const own = manifests.map((manifest) => known.get(manifest.manifest_path) ?? manifest)
    for (const manifest of own) known.set(manifest.manifest_path, manifest)
    lists.set(id, own)
    return own
  })

  const entriesOf = (manifest: ManifestFile) =>
    Effect.map(readManifest(tableFolder, tableFolder, manifest), (entries) =>
      entries.filter((entry) => entry.status !== status.deleted)
    )

  const pathsIn = Effect.fnUntraced(function* (manifest: ManifestFile) {
    const path = manifest.manifest_path
    const before = live.get(path)
    if (before !== undefined) return before
    const paths = new Set((yield* entriesOf(manifest)).map(({ data_file }) => data_file.file_path))
    live.set(path, paths)
    cachedPaths += paths.size
    for (const [oldest, oldPaths] of live) {
      if (cachedPaths <= maxCachedPaths || oldest === path) break
      live.delete(oldest)
      cachedPaths -= oldPaths.size
    }
    return paths
  })

  const forgetOthers = (snapshots: ReadonlyArray<Snapshot>) => {
    const ids = new Set(snapshots.map((one) => one["snapshot-id"]))
    for (const id of lists.keys()) if (!ids.has(id)) lists.delete(id)
    const named = new Set([...lists.values()].flat().map((manifest) => manifest.manifest_path))
    for (const path of known.keys()) if (!named.has(path)) known.delete(path)
  }

  /**
   * Paths of the files that a dropped snapshot has and none of the others, its manifest list last. None if the manifest
   * list is gone: another engine has expired the snapshot. `isCurrent` skips the search for files of the current snapshot.
   */
  const leftWith = Effect.fn("Expiry.leftWith")(function* (
    dropped: Snapshot,
    others: ReadonlyArray<Snapshot>,
    isCurrent: (entry: ManifestEntry) => boolean
  ) {
    const had = yield* Effect.catchTag(manifestsOf(dropped), "TableBroken", () => Effect.succeed([]))
    if (had.length === 0) return []
    forgetOthers([dropped, ...others])
    const kept = new Set<ManifestFile>()
    for (const one of others) for (const manifest of yield* manifestsOf(one)) kept.add(manifest)
    const left = had.filter((manifest) => !kept.has(manifest))
    const files: Array<string> = []
    for (const manifest of left) {
      for (const entry of yield* Effect.catchTag(entriesOf(manifest), "TableBroken", () => Effect.succeed([]))) {
        if (isCurrent(entry)) continue
        const { file_path } = entry.data_file
        let isNamed = false
        for (const other of kept) {
          if (isNamed) break
          if (mayHave(other, entry, spec)) isNamed = (yield* pathsIn(other)).has(file_path)
        }
        if (!isNamed) files.push(file_path)
      }
    }
    const manifests = left.map((manifest) => manifest.manifest_path)
    return [...new Set(files), ...manifests, dropped["manifest-list"]].map(pathOf)
  })

  return { leftWith }
}
