/** Every file that a table needs, its older snapshots included, held so that upkeep leaves them. */
import { statSync } from "node:fs"
import { join, relative } from "node:path"
import { Effect, Option } from "effect"
import { Leases } from "../../../services/Leases.ts"
import * as Files from "../../runtime/files.ts"
import { namedBy } from "./findOrphans.ts"
import * as LogProgress from "./logProgress.ts"
import type { Snapshot } from "./Metadata.ts"
import { type CurrentMetadata, readMetadata } from "./MetadataFiles.ts"

/**
 * The newest metadata all of whose snapshots are held, as far as leases can be written: where the folder may only be
 * read, nothing but the wait before upkeep removes what left the table keeps their files. One may expire before its lease is there: only what is in the
 * metadata after that is safe. What was held stays so, and the next round has the newest snapshots alone to hold.
 */
const holdAll = Effect.fnUntraced(function* (tableFolder: string) {
  const leases = yield* Leases
  const held = new Set<bigint>()
  const safe = new Set<bigint>()
  const idsIn = ({ metadata }: CurrentMetadata) => metadata.snapshots.map((one) => one["snapshot-id"])
  for (let tries = 0; ; tries++) {
    const found = yield* readMetadata(tableFolder)
    if (Option.isNone(found)) return undefined
    const { name } = found.value
    const bytes = yield* Files.read(join(tableFolder, "metadata", name)).pipe(
      Effect.map(Option.some),
      Effect.catchIf(
        (error) => Files.isMissing(error) && tries < 10,
        () => Effect.succeedNone
      )
    )
    if (Option.isNone(bytes)) continue
    for (const id of idsIn(found.value)) {
      if (held.has(id)) continue
      yield* Effect.ignore(leases.hold(String(id)))
      held.add(id)
    }
    const now = yield* readMetadata(tableFolder)
    if (Option.isSome(now)) for (const id of idsIn(now.value)) if (held.has(id)) safe.add(id)
    if (idsIn(found.value).every((id) => safe.has(id))) return { current: found.value, name, bytes: bytes.value }
  }
})

const isThere = (path: string) =>
  Files.attempt("looking for a file", async () => statSync(path, { throwIfNoEntry: false }) !== undefined)

/** None if there is no table; the files stay until the scope closes. */
export const heldFiles = Effect.fn("heldFiles")(function* (tableFolder: string) {
  const held = yield* holdAll(tableFolder)
  if (held === undefined) return Option.none()
  const { bytes, current, name } = held
  const { location, snapshots } = current.metadata
  const isCurrent = (one: Snapshot) => one["snapshot-id"] === current.snapshot["snapshot-id"]
  const needed = yield* namedBy(tableFolder, [{ snapshot: current.snapshot, location }])
  const named = yield* namedBy(
    tableFolder,
    [current.snapshot, ...snapshots].map((snapshot) => ({ snapshot, location })),
    isCurrent
  )
  const paths: Array<string> = []
  for (const path of named) if (needed.has(path) || (yield* isThere(path))) paths.push(path)
  return Option.some({
    snapshotId: String(current.snapshot["snapshot-id"]),
    version: current.version,
    /** The next offset of the log to read; null where the table does not tell. */
    offset: Option.getOrNull(LogProgress.at(current.metadata, current.snapshot))?.offset ?? null,
    /** Below the table's folder. */
    metadata: { path: join("metadata", name), bytes },
    files: paths.map((path) => relative(tableFolder, path)),
    /** How many files are missing that only older snapshots need. */
    leftOut: named.size - paths.length
  })
})
