/** Taking over the data files of another table: each gets a second name in this table's folder, and stays in the other. */
import { basename, dirname, join } from "node:path"
import { Effect, Option } from "effect"
import { TableBroken } from "../../services/Table.ts"
import * as Files from "./Files.ts"
import { type DataFile, status } from "./Manifest.ts"
import { located, readList, readManifest, readMetadata } from "./TableReader.ts"

export const removeLinks = (files: ReadonlyArray<DataFile>) =>
  Effect.forEach(files, ({ file_path }) => Effect.ignore(Files.remove(file_path)), { discard: true })

/**
 * The data files of the newest snapshot of the table in `from`, as files of `tableFolder`; not yet synced. Their names
 * begin with `prefix`, which nobody has used: a name that was left by a crash may be waiting to be removed.
 */
export const adopt = Effect.fn("Adoption.adopt")(function* (from: string, tableFolder: string, prefix: string) {
  const found = yield* readMetadata(from)
  if (Option.isNone(found)) return yield* new TableBroken({ file: from, reason: "holds no table" })
  const { metadata, snapshot } = found.value
  const { location } = metadata
  const manifests = yield* readList(from, location, snapshot["manifest-list"])
  const entries = yield* Effect.forEach(manifests, (manifest) => readManifest(from, location, manifest))
  const live = entries.flat().filter((entry) => entry.status !== status.deleted)
  const linked: Array<DataFile> = []
  const link = Effect.fnUntraced(function* (file: DataFile, index: number) {
    const source = yield* located(from, location, file.file_path)
    const folder = join(tableFolder, "data", basename(dirname(source)))
    const file_path = join(folder, `${prefix}-${index}.parquet`)
    yield* Files.makeFolder(folder)
    yield* Files.linkNew(source, file_path)
    linked.push({ ...file, file_path })
  })
  yield* Effect.forEach(live, ({ data_file }, index) => link(data_file, index), { discard: true }).pipe(
    Effect.onError(() => removeLinks(linked))
  )
  return linked
})
