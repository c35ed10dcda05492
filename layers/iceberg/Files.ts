/** Files that stay: written, fsynced and named so that a crash leaves the old ones or the new. */
import { link, mkdir, open, readdir, readFile, rename, rm, rmdir, unlink } from "node:fs/promises"
import { basename, dirname } from "node:path"
import { Effect } from "effect"
import { TableUnavailable } from "../../services/Table.ts"

const reasons: Record<string, string> = {
  ENOSPC: "the disk is full; free some space",
  EDQUOT: "the disk quota is used up; free some space",
  EROFS: "the file system is read-only",
  EACCES: "permission denied; check the owner of the data folder",
  EPERM: "permission denied; check the owner of the data folder",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  EIO: "the disk reports an error"
}

export const codeOf = (cause: unknown) =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

const reasonOf = (cause: unknown) =>
  reasons[codeOf(cause) ?? ""] ?? (cause instanceof Error ? cause.message : String(cause))

/** Runs a promise of the file system as part of `operation`. */
export const attempt = <A>(operation: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new TableUnavailable({ operation, reason: reasonOf(cause), cause })
  })

export const isMissing = (error: TableUnavailable) => codeOf(error.cause) === "ENOENT"

export const read = (path: string) => attempt(`reading ${basename(path)}`, () => readFile(path))

/** The names in a folder; none if the folder is not there. */
export const list = (folder: string) =>
  attempt(`reading the folder ${basename(folder)}`, () => readdir(folder)).pipe(
    Effect.catchIf(isMissing, () => Effect.succeed<Array<string>>([]))
  )

const fsyncPromise = async (path: string) => {
  const handle = await open(path, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a file's content, or a folder's entries, durable. */
export const sync = (path: string) => attempt(`syncing ${basename(path)}`, () => fsyncPromise(path))

/** A new file, durable once its folder is; fails if it exists. */
export const writeNew = (path: string, bytes: Buffer | string) =>
  attempt(`writing ${basename(path)}`, async () => {
    const handle = await open(path, "wx")
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  })

/** A second name for a file, which fails with EEXIST if it is taken (rename would overwrite in silence). */
export const linkNew = (from: string, to: string) => attempt(`naming ${basename(to)}`, () => link(from, to))

export const renameOver = (from: string, to: string) => attempt(`naming ${basename(to)}`, () => rename(from, to))

/** Succeeds with true if there was a file to remove. */
export const remove = (path: string) =>
  attempt(`removing ${basename(path)}`, () => unlink(path)).pipe(
    Effect.as(true),
    Effect.catchIf(isMissing, () => Effect.succeed(false))
  )

/** Removes a folder with all that is in it. */
export const removeFolder = (path: string) =>
  attempt(`removing the folder ${basename(path)}`, () => rm(path, { recursive: true, force: true }))

/** Removes a folder if it is empty. */
export const removeEmpty = (path: string) => Effect.promise(() => rmdir(path).catch(() => undefined))

/** Makes a folder and durably enters it, and each parent made on the way, into its parent. */
export const makeFolder = (path: string) =>
  attempt(`making the folder ${basename(path)}`, async () => {
    const first = await mkdir(path, { recursive: true })
    if (first === undefined) return
    for (let folder = path; ; folder = dirname(folder)) {
      await fsyncPromise(dirname(folder))
      if (folder === first) return
    }
  })
