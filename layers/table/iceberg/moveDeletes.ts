/** Rewrites position delete files, which name data files by absolute path, after the table was moved. */
import { dirname, join } from "node:path"
import { Effect, Schema } from "effect"
import { TableBroken } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import type { ParquetWriter } from "../parquet/ParquetWriter.ts"
import * as Manifest from "./Manifest.ts"
import { located, pathOf } from "./paths.ts"
import { Bounds, pathField } from "./TableScan.ts"

const isBounds = Schema.is(Bounds)

export const make = (tableFolder: string, location: string, writer: string, parquet: ParquetWriter) => {
  const moved = new Map<string, { readonly file_path: string; readonly file_size_in_bytes: number }>()
  const root = pathOf(location).replace(/\/$/, "")
  const movedPath = (recorded: string): Effect.Effect<string, TableBroken> => located(tableFolder, location, recorded)

  /** Readers skip a delete file by the bounds of its paths. */
  const bounds = Effect.fnUntraced(function* (data_file: Manifest.ContentFile, side: "lower_bounds" | "upper_bounds") {
    const recorded = Object.entries(data_file).find(([name]) => name === side)?.[1]
    if (recorded === null || !isBounds(recorded)) return {}
    const values = yield* Effect.forEach(recorded, (bound) =>
      bound.key === pathField
        ? movedPath(Buffer.from(bound.value).toString()).pipe(
            Effect.map((path) => [{ ...bound, value: Buffer.from(path) }]),
            Effect.catch(() => Effect.succeed([]))
          )
        : Effect.succeed([bound])
    )
    return { [side]: values.flat() }
  })

  return {
    /** Paths of the rewritten files, not yet synced. */
    written: () => [...moved.values()].map(({ file_path }) => file_path),
    remove: Effect.suspend(() =>
      Effect.forEach([...moved.values()], ({ file_path }) => Effect.ignore(Files.remove(file_path)), { discard: true })
    ),
    /** Other files than position deletes only get their new path. */
    move: Effect.fnUntraced(function* (data_file: Manifest.ContentFile) {
      const file_path = yield* movedPath(data_file.file_path)
      if (data_file.content !== Manifest.content.positionDeletes) return { ...data_file, file_path }
      if (data_file.file_format.toUpperCase() !== "PARQUET") {
        return yield* new TableBroken({
          file: file_path,
          reason: `deletes rows by paths in ${location}, from where the table was moved, and is in the format ${data_file.file_format}, which Floe does not write; move the table back`,
          unsupported: true
        })
      }
      let known = moved.get(file_path)
      if (known === undefined) {
        const to = join(dirname(file_path), `${writer}-moved${moved.size}-deletes.parquet`)
        const file_size_in_bytes = yield* parquet.moveDeletes(file_path, to, { from: root, to: tableFolder })
        known = { file_path: to, file_size_in_bytes }
        moved.set(file_path, known)
      }
      const referenced = "referenced_data_file" in data_file ? data_file.referenced_data_file : null
      return {
        ...data_file,
        ...known,
        ...(yield* bounds(data_file, "lower_bounds")),
        ...(yield* bounds(data_file, "upper_bounds")),
        ...(typeof referenced === "string" && { referenced_data_file: yield* movedPath(referenced) })
      }
    })
  }
}
