/** Copies files: independent of their originals, synced to disk, each with the digest of its copy. */
import { createHash } from "node:crypto"
import { constants, createReadStream } from "node:fs"
import { copyFile, mkdir, open, stat, statfs } from "node:fs/promises"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { Effect, Schema } from "effect"
import type { BackupFile } from "../../../services/Backup.ts"
import { codeOf } from "../../runtime/files.ts"
import { mebibytes } from "../probes/mebibytes.ts"

const reasons: Record<string, string> = {
  ENOSPC: "the disk is full; free some space, or choose another disk",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied; check its owner",
  EPERM: "permission denied; check its owner",
  ENOENT: "it is missing",
  EIO: "the disk reports an error"
}

/** Error codes of a copy that are the target's fault. */
const ofTarget = new Set(["ENOSPC", "EDQUOT", "EROFS", "EEXIST"])

export class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", {
  path: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

export const attempt = <A>(path: string, run: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => {
      const reason = reasons[codeOf(cause) ?? ""] ?? (cause instanceof Error ? cause.message : String(cause))
      return new CopyFailed({ path, reason, cause })
    }
  })

const sync = async (path: string) => {
  const handle = await open(path, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The file's size and digest. */
export const describeFile = Effect.fnUntraced(function* (folder: string, path: string) {
  const file = join(folder, path)
  const digest = yield* attempt(file, async (signal) => {
    const hash = createHash("sha256")
    await pipeline(createReadStream(file, { signal, highWaterMark: 1024 * 1024 }), hash)
    return hash.digest("hex")
  })
  const { size: bytes } = yield* attempt(file, () => stat(file))
  return { path, bytes, sha256: digest } satisfies BackupFile
})

/** Syncs folders and their parents up to and including `root`. */
export const syncFolders = (root: string, folders: Iterable<string>) => {
  const all = new Set([root])
  for (const folder of folders) for (let one = folder; one !== "."; one = dirname(one)) all.add(join(root, one))
  return Effect.forEach(all, (folder) => attempt(folder, () => sync(folder)), { concurrency: 8, discard: true })
}

export const parallel = { concurrency: 4 } as const

/** Copies the same paths to another folder, and describes the copies. */
export const copyFiles = Effect.fn("copyFiles")(function* (
  from: string,
  to: string,
  paths: ReadonlyArray<string>,
  copied: (file: BackupFile) => void
) {
  const folders = new Set(paths.map(dirname))
  yield* Effect.forEach(folders, (folder) => attempt(to, () => mkdir(join(to, folder), { recursive: true })), {
    discard: true
  })
  return yield* Effect.forEach(
    paths,
    Effect.fnUntraced(function* (path) {
      const target = join(to, path)
      // Shares blocks if the file system can; a write to either file then separates them.
      yield* attempt(join(from, path), () =>
        copyFile(join(from, path), target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
      ).pipe(
        Effect.mapError((error) =>
          ofTarget.has(codeOf(error.cause) ?? "")
            ? new CopyFailed({ path: target, reason: error.reason, cause: error.cause })
            : error
        ),
        Effect.andThen(attempt(target, () => sync(target))),
        Effect.uninterruptible
      )
      const file = yield* describeFile(to, path)
      copied(file)
      return file
    }),
    parallel
  )
})

export const sizes = (folder: string, paths: ReadonlyArray<string>) =>
  Effect.forEach(
    paths,
    (path) =>
      Effect.map(
        attempt(join(folder, path), () => stat(join(folder, path))),
        (stats) => stats.size
      ),
    parallel
  ).pipe(Effect.map((all) => all.reduce((sum, bytes) => sum + bytes, 0)))

/** Fails if the disk of this folder lacks room for so many bytes. */
export const requireRoom = Effect.fnUntraced(function* (folder: string, bytes: number) {
  const { bavail, bsize } = yield* attempt(folder, () => statfs(folder))
  const free = bavail * bsize
  if (free < bytes) {
    return yield* new CopyFailed({
      path: folder,
      reason: `${mebibytes(bytes)} are needed and its disk has ${mebibytes(free)} free; free some space, or choose another disk`,
      cause: undefined
    })
  }
})
