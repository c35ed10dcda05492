/** Taking over the data files of another table: each gets a second name in this table's folder, and stays in the other. */
import { basename, dirname, join } from "node:path"
import { Effect, Option } from "effect"
import { TableBroken } from "../../../services/Table.ts"
import * as Files from "../../runtime/files.ts"
import { type ContentFile, content, hourOf } from "./Manifest.ts"
import { readMetadata } from "./MetadataFiles.ts"
import { readEntries } from "./readTable.ts"

export const removeLinks = (files: ReadonlyArray<ContentFile>) =>
  Effect.forEach(files, ({ file_path }) => Effect.ignore(Files.remove(file_path)), { discard: true })

/**
 * The data files of the newest snapshot of the table in `from`, as files of `tableFolder`; not yet synced. Their names
 * begin with `prefix`, which nobody has used: a name that was left by a crash may be waiting to be removed.
 */
export const importDataFiles = Effect.fn("importDataFiles")(function* (
  from: string,
  tableFolder: string,
  prefix: string
) {
  const found = yield* readMetadata(from)
  if (Option.isNone(found)) return yield* new TableBroken({ file: from, reason: "holds no table" })
  const live = yield* readEntries(from, found.value)
  const other = live.find(
    ({ entry, manifest }) => entry.data_file.content !== content.data || hourOf(manifest, entry) === undefined
  )
  if (other !== undefined) {
    return yield* new TableBroken({
      file: other.path,
      reason: "was written by another engine, and the table cannot be put in place of another one",
      unsupported: true
    })
  }
  const linked: Array<ContentFile> = []
  const link = Effect.fnUntraced(function* (file: ContentFile, source: string, index: number) {
    const folder = join(tableFolder, "data", basename(dirname(source)))
    const file_path = join(folder, `${prefix}-${index}.parquet`)
    yield* Files.makeFolder(folder)
    yield* Files.linkNew(source, file_path)
    linked.push({ ...file, file_path })
  })
  yield* Effect.forEach(live, ({ entry, path }, index) => link(entry.data_file, path, index), { discard: true }).pipe(
    Effect.onError(() => removeLinks(linked))
  )
  return linked
})
