/** Orphans: files of Floe's own writers that no metadata file names, left behind by a crash. */
import { basename, join } from "node:path"
import { Effect } from "effect"
import * as Files from "../../runtime/files.ts"
import { type ManifestFile, status } from "./Manifest.ts"
import type { Snapshot } from "./Metadata.ts"
import type { NamedList } from "./MetadataFiles.ts"
import { located } from "./paths.ts"
import { readList, readManifest } from "./readManifests.ts"

/** The paths of these manifest lists and of all files that they name. A missing file is an error only in a snapshot for which `isKept` holds. */
export const namedBy = Effect.fnUntraced(function* (
  tableFolder: string,
  lists: ReadonlyArray<Pick<NamedList, "snapshot" | "location">>,
  isKept: (snapshot: Snapshot) => boolean = () => true
) {
  const named = new Set<string>()
  for (const { location, snapshot } of lists) {
    named.add(yield* located(tableFolder, location, snapshot["manifest-list"]))
    const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"]).pipe(
      Effect.catchTag("TableBroken", (error) =>
        isKept(snapshot) ? Effect.fail(error) : Effect.succeed<ReadonlyArray<ManifestFile>>([])
      )
    )
    for (const manifest of manifests) {
      const path = yield* located(tableFolder, location, manifest.manifest_path)
      if (named.has(path)) continue
      named.add(path)
      const entries = yield* readManifest(tableFolder, location, manifest).pipe(
        Effect.catchTag("TableBroken", (error) => (isKept(snapshot) ? Effect.fail(error) : Effect.succeed([])))
      )
      for (const entry of entries) {
        if (entry.status === status.deleted) continue
        named.add(yield* located(tableFolder, location, entry.data_file.file_path))
      }
    }
  }
  return named
})

const writerName = "[0-9a-f]{8}-[0-9a-f]{4}"
/** Floe's names only: those of other engines begin with a whole UUID. */
const ownData = new RegExp(`^${writerName}-(?![0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}).*\\.parquet$`)
const ownMetadata = new RegExp(
  `^(?:${writerName}-(?:m|moved)\\d+\\.avro|snap-\\d+-${writerName}\\.avro|${writerName}-.*\\.tmp)$`
)

/** Absolute paths. Files of `writer` are left out: it may have created them since. */
export const findOrphans = Effect.fn("findOrphans")(function* (
  tableFolder: string,
  writer: string | undefined,
  lists: ReadonlyArray<NamedList>,
  isKept: (snapshot: Snapshot) => boolean
) {
  const candidates: Array<string> = []
  const isOther = (name: string) => writer === undefined || !name.includes(writer)
  const metadataFolder = join(tableFolder, "metadata")
  for (const name of yield* Files.list(metadataFolder)) {
    if (ownMetadata.test(name) && isOther(name)) candidates.push(join(metadataFolder, name))
  }
  const dataFolder = join(tableFolder, "data")
  for (const name of yield* Files.listAll(dataFolder)) {
    const file = basename(name)
    if (ownData.test(file) && isOther(file)) candidates.push(join(dataFolder, name))
  }
  if (candidates.length === 0) return candidates
  const named = yield* namedBy(tableFolder, lists, isKept)
  return candidates.filter((path) => !named.has(path))
})
