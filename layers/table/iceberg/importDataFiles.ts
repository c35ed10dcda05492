/** Imports the data files of another table as hard links; the other table keeps its own. */
import { dirname, join, relative } from "node:path"
import { Effect, Option } from "effect"
import { TableBroken } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { type ContentFile, content, partitionOf } from "./Manifest.ts"
import { readMetadata } from "./MetadataFiles.ts"
import { readEntries } from "./readManifests.ts"

export const removeLinks = (files: ReadonlyArray<ContentFile>) =>
  Effect.forEach(files, ({ file_path }) => Effect.ignore(Files.remove(file_path)), { discard: true })

/**
 * Links the data files of the newest snapshot of the table in `from` into `tableFolder`, not yet synced. `prefix` starts
 * their names and must be unused: a name left by a crash may be waiting for its removal.
 */
export const importDataFiles = Effect.fn("importDataFiles")(function* (
  from: string,
  tableFolder: string,
  prefix: string,
  spec: TableSpec
) {
  const source = yield* readMetadata(from)
  if (Option.isNone(source)) return yield* new TableBroken({ file: from, reason: "holds no table" })
  const live = yield* readEntries(from, source.value)
  const other = live.find(
    ({ entry, manifest }) =>
      entry.data_file.content !== content.data || partitionOf(spec, manifest, entry) === undefined
  )
  if (other !== undefined) {
    return yield* new TableBroken({
      file: other.path,
      reason: "was written by another engine, so this table cannot be promoted",
      unsupported: true
    })
  }
  const linked: Array<ContentFile> = []
  const link = Effect.fnUntraced(function* (file: ContentFile, path: string, index: number) {
    const folder = join(tableFolder, "data", relative(join(from, "data"), dirname(path)))
    const file_path = join(folder, `${prefix}-${index}.parquet`)
    yield* Files.makeFolder(folder)
    yield* Files.linkNew(path, file_path)
    linked.push({ ...file, file_path })
  })
  yield* Effect.forEach(live, ({ entry, path }, index) => link(entry.data_file, path, index), { discard: true }).pipe(
    Effect.onError(() => removeLinks(linked))
  )
  return linked
})
