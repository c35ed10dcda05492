/** Which manifests a commit merges: their number grows with the logarithm of the number of commits. Pure. */
import type { ManifestFile } from "./Manifest.ts"

const fanIn = 16
/** A manifest with this many entries is not merged further: rewriting it would take too long. */
export const fullManifest = 4096

export const liveFiles = (manifest: ManifestFile) => manifest.added_files_count + manifest.existing_files_count

const allEntries = (manifest: ManifestFile) => liveFiles(manifest) + manifest.deleted_files_count

const sizeClass = (manifest: ManifestFile) => Math.floor(Math.log2(Math.max(1, liveFiles(manifest))) / Math.log2(fanIn))

/** The oldest manifests of the smallest full size class; none if no class is full. */
export const toMerge = (manifests: ReadonlyArray<ManifestFile>): ReadonlyArray<ManifestFile> => {
  const classes = new Map<number, Array<ManifestFile>>()
  for (const manifest of manifests) {
    if (manifest.content !== 0 || allEntries(manifest) >= fullManifest) continue
    const members = classes.get(sizeClass(manifest))
    if (members === undefined) classes.set(sizeClass(manifest), [manifest])
    else members.push(manifest)
  }
  const smallest = [...classes].sort(([a], [b]) => a - b).find(([, members]) => members.length >= fanIn)?.[1] ?? []
  const chosen: Array<ManifestFile> = []
  let entries = 0
  for (const manifest of smallest) {
    if (chosen.length >= 2 && entries + liveFiles(manifest) > fullManifest * 2) break
    chosen.push(manifest)
    entries += liveFiles(manifest)
  }
  return chosen
}
