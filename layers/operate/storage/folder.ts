import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Layer, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import {
  Storage,
  type StorageError,
  StorageMissing,
  StorageRefused,
  StorageUnavailable,
  StoredFile,
  StoredFolder
} from "../../../services/Storage.ts"
import { codeOf } from "../../runtime/files.ts"

const isGone = (cause: unknown) => ["ENOENT", "ENOTDIR"].includes(codeOf(cause) ?? "")

/** The warehouse folder on the local disk. */
export const layer = Layer.effect(
  Storage,
  Effect.gen(function* () {
    const { warehouse } = yield* DataFolder

    const errorOf = (cause: unknown): StorageError => {
      if (isGone(cause)) return new StorageMissing({ warehouse, advice: "start the sink (npm start) and log a record" })
      if (codeOf(cause) === "EACCES") {
        return new StorageRefused({ warehouse, reason: "permission denied; run it as the user who runs the sink" })
      }
      return new StorageUnavailable({ warehouse, reason: codeOf(cause) ?? String(cause), cause })
    }

    /** `none` for what has been removed meanwhile. */
    const orNone = <A>(none: A) =>
      Effect.catch((cause: unknown) => (isGone(cause) ? Effect.succeed(none) : Effect.fail(errorOf(cause))))

    const entry = Effect.fnUntraced(function* (
      path: string,
      isFolder: boolean
    ): Effect.fn.Return<ReadonlyArray<StoredFile | StoredFolder>, StorageError> {
      if (isFolder) return [StoredFolder.make({ path: `${path}/` })]
      const stats = yield* Effect.tryPromise({ try: () => stat(join(warehouse, path)), catch: (cause) => cause }).pipe(
        orNone(undefined)
      )
      return stats === undefined
        ? []
        : [StoredFile.make({ path, bytes: stats.size, modifiedAt: Math.trunc(stats.mtimeMs) })]
    })

    const read = Effect.fn("Storage.list")(function* (folder: string) {
      yield* Effect.tryPromise({ try: () => stat(warehouse), catch: errorOf })
      const entries = yield* Effect.tryPromise({
        try: () => readdir(join(warehouse, folder), { withFileTypes: true }),
        catch: (cause) => cause
      }).pipe(orNone([]))
      return entries
        .filter((entry) => entry.isFile() || entry.isDirectory())
        .map((entry) => ({ path: folder + entry.name, isFolder: entry.isDirectory() }))
        .sort((a, b) => (a.path < b.path ? -1 : 1))
    })

    const list = (folder: string): Stream.Stream<StoredFile | StoredFolder, StorageError> => {
      // Nothing above the warehouse is listed.
      if (folder.split("/").includes("..")) return Stream.empty
      const parent = folder === "" || folder.endsWith("/") ? folder : `${folder}/`
      return Stream.fromIterableEffect(read(parent)).pipe(
        Stream.mapEffect(({ path, isFolder }) => entry(path, isFolder)),
        Stream.flattenIterable
      )
    }

    const listAll = (folder: string): Stream.Stream<StoredFile, StorageError> =>
      list(folder).pipe(
        Stream.flatMap((entry) => (entry._tag === "Folder" ? listAll(entry.path) : Stream.succeed(entry)))
      )

    return Storage.of({ warehouse, list, listAll })
  })
)
