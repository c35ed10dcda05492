/** Every file that a table and its older snapshots need, leased so that maintenance does not remove them. */
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
 * The newest metadata whose snapshots are all leased. A snapshot may expire before its lease is acquired, so it is safe
 * only if later metadata still have it; each round has only newer snapshots left to lease. In a read-only folder no lease
 * can be acquired, and only the grace period keeps the files.
 */
const holdAll = Effect.fnUntraced(function* (tableFolder: string) {
  const leases = yield* Leases
  const held = new Set<bigint>()
  const safe = new Set<bigint>()
  const idsIn = ({ metadata }: CurrentMetadata) => metadata.snapshots.map((one) => one["snapshot-id"])
  for (let tries = 0; ; tries++) {
    const newest = yield* readMetadata(tableFolder)
    if (Option.isNone(newest)) return undefined
    const { name } = newest.value
    const bytes = yield* Files.read(join(tableFolder, "metadata", name)).pipe(
      Effect.map(Option.some),
      Effect.catchIf(
        (error) => Files.isMissing(error) && tries < 10,
        () => Effect.succeedNone
      )
    )
    if (Option.isNone(bytes)) continue
    for (const id of idsIn(newest.value)) {
      if (held.has(id)) continue
      yield* Effect.ignore(leases.hold(String(id)))
      held.add(id)
    }
    const now = yield* readMetadata(tableFolder)
    if (Option.isSome(now)) for (const id of idsIn(now.value)) if (held.has(id)) safe.add(id)
    if (idsIn(newest.value).every((id) => safe.has(id))) return { current: newest.value, name, bytes: bytes.value }
  }
})

const isThere = (path: string) =>
  Files.attempt("checking a file", async () => statSync(path, { throwIfNoEntry: false }) !== undefined)

/** None if there is no table. The files stay until the scope closes. */
export const heldFiles = Effect.fn("heldFiles")(function* (tableFolder: string) {
  const held = yield* holdAll(tableFolder)
  if (held === undefined) return Option.none()
  const { bytes, current, name } = held
  const { location, snapshots } = current.metadata
  const isCurrent = (one: Snapshot) => one["snapshot-id"] === current.snapshot["snapshot-id"]
  const required = yield* namedBy(tableFolder, [{ snapshot: current.snapshot, location }])
  const named = yield* namedBy(
    tableFolder,
    [current.snapshot, ...snapshots].map((snapshot) => ({ snapshot, location })),
    isCurrent
  )
  const paths: Array<string> = []
  for (const path of named) if (required.has(path) || (yield* isThere(path))) paths.push(path)
  return Option.some({
    snapshotId: String(current.snapshot["snapshot-id"]),
    version: current.version,
    /** The next offset to read; null if the table does not record it. */
    offset: Option.getOrNull(LogProgress.at(current.metadata, current.snapshot))?.offset ?? null,
    /** Paths are relative to the table's folder. */
    metadata: { path: join("metadata", name), bytes },
    files: paths.map((path) => relative(tableFolder, path)),
    /** How many files that only older snapshots need are missing. */
    leftOut: named.size - paths.length
  })
})
