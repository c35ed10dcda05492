/**
 * A lease is a file named after the snapshot, on which its holder keeps a lock that the system frees when the holder
 * dies. So it holds whatever a clock says, however long the holder is suspended, and in every container that shares the folder.
 */
import { randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { Effect, Layer } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases, LeaseUnavailable } from "../../../services/Leases.ts"
import { lock, removeUnlessLocked } from "../../runtime/ProcessLock.ts"
import { reasonOf } from "../../runtime/sqliteReason.ts"

const fileName = /^(\d{1,19})\.[0-9a-f-]{36}\.lock$/

const attempt = <A>(operation: string, run: () => A) =>
  Effect.try({ try: run, catch: (cause) => new LeaseUnavailable({ operation, reason: reasonOf(cause), cause }) })

const isMissing = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const filesIn = (folder: string) => {
  try {
    return readdirSync(folder)
  } catch (cause) {
    if (isMissing(cause)) return []
    throw cause
  }
}

interface Lease {
  readonly path: string
  readonly locked: DatabaseSync
}

/** Whoever only looks holds the file for a moment, which a stalled disk can make long. */
const takeMillis = 1_000

const take = (folder: string, snapshotId: string): Lease => {
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true })
  for (;;) {
    const path = join(folder, `${snapshotId}.${randomUUID()}.lock`)
    const locked = lock(path, takeMillis)
    // Somebody who looked between the making and the locking took it for that of a dead process.
    if (existsSync(path)) return { path, locked }
    locked.close()
  }
}

const release = ({ path, locked }: Lease) => {
  try {
    rmSync(path, { force: true })
  } catch {
    // What stays counts for nothing: nobody holds its lock.
  } finally {
    locked.close()
  }
}

/** Leases that hold nothing, for a data folder that nobody writes to or that may only be read. */
export const layerNone = Layer.succeed(Leases, { hold: () => Effect.void, held: Effect.succeed(new Set<string>()) })

export const layer = Layer.effect(
  Leases,
  Effect.gen(function* () {
    const { leases } = yield* DataFolder

    const hold = Effect.fn("Leases.hold")((snapshotId: string) =>
      Effect.asVoid(
        Effect.acquireRelease(
          attempt("hold", () => take(leases, snapshotId)),
          (lease) => Effect.sync(() => release(lease))
        )
      )
    )

    const held = attempt("held", () => {
      const snapshots = new Set<string>()
      for (const name of filesIn(leases)) {
        const [, snapshotId] = fileName.exec(name) ?? []
        if (snapshotId !== undefined && !removeUnlessLocked(join(leases, name))) snapshots.add(snapshotId)
      }
      return snapshots
    }).pipe(Effect.withSpan("Leases.held"))

    return Leases.of({ hold, held })
  })
)
