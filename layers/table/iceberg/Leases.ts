/**
 * A lease is a file named after its snapshot, on which the holder keeps a lock that the operating system frees when the
 * holder dies. So a lease depends on no clock, survives a suspended holder, and is seen in each container that shares the folder.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { Effect, Layer } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases, LeaseUnavailable } from "../../../services/Leases.ts"
import { codeOf } from "../../runtime/files.ts"
import { lock, removeUnlessLocked } from "../../runtime/ProcessLock.ts"
import { reasonOf } from "../../runtime/sqliteReason.ts"

const fileName = /^(\d{1,19})\.[0-9a-f-]{36}\.lock$/

const attempt = <A>(operation: string, run: () => A) =>
  Effect.try({ try: run, catch: (cause) => new LeaseUnavailable({ operation, reason: reasonOf(cause), cause }) })

const filesIn = (folder: string) => {
  try {
    return readdirSync(folder)
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return []
    throw cause
  }
}

interface Lease {
  readonly path: string
  readonly locked: DatabaseSync
}

/** A process that lists the leases holds each file for a moment, which a stalled disk can prolong. */
const lockTimeoutMillis = 1_000

const lockNew = (path: string): Lease | undefined => {
  const locked = lock(path, lockTimeoutMillis)
  // A process that listed the leases before the lock was taken removes the file, as that of a dead holder.
  if (existsSync(path)) return { path, locked }
  locked.close()
  return undefined
}

const release = ({ path, locked }: Lease) => {
  try {
    rmSync(path, { force: true })
  } catch {
    // A file that stays is not a lease: its lock is free.
  } finally {
    locked.close()
  }
}

/** Holds nothing: for a data folder that nobody writes, or that Floe may only read. */
export const layerNone = Layer.succeed(Leases, { hold: () => Effect.void, held: Effect.succeed(new Set<string>()) })

export const layer = Layer.effect(
  Leases,
  Effect.gen(function* () {
    const { leases } = yield* DataFolder
    const random = yield* SecureRandom.SecureRandom

    const take = Effect.fnUntraced(function* (snapshotId: string) {
      yield* attempt("hold", () => existsSync(leases) || mkdirSync(leases, { recursive: true }))
      for (;;) {
        const path = join(leases, `${snapshotId}.${yield* random.uuidV4()}.lock`)
        const lease = yield* attempt("hold", () => lockNew(path))
        if (lease !== undefined) return lease
      }
    })

    const hold = Effect.fn("Leases.hold")((snapshotId: string) =>
      Effect.asVoid(Effect.acquireRelease(take(snapshotId), (lease) => Effect.sync(() => release(lease))))
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
).pipe(Layer.provide(SecureRandom.layerWebCrypto))
