/** Durable files: written, fsynced and renamed so that a crash leaves either the old file or the new one. */
import { link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, unlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Effect } from "effect"
import { TableUnavailable } from "../../services/TableWriter.ts"

const reasons: Record<string, string> = {
  ENOSPC: "the disk is full; free some space, and it resumes by itself",
  EDQUOT: "the disk quota is used up; free some space, and it resumes by itself",
  EROFS: "the file system is read-only; mount it writable, or set FLOE_DATA to a folder on another one",
  EACCES: "permission denied; check the owner of the data folder",
  EPERM: "permission denied; check the owner of the data folder",
  EISDIR: "it is a folder, but must be a file",
  ENOTDIR: "a part of its path is a file, but must be a folder",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  EIO: "the disk reports an error; check the disk"
}

const otherFileSystem = "set FLOE_DATA to a folder on another file system, for example ext4, XFS or APFS"

/** Error codes of file systems that lack an operation, for example FAT. */
const lacking: Record<string, { readonly codes: ReadonlyArray<string>; readonly reason: string }> = {
  link: {
    codes: ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EMLINK"],
    reason: `its file system has no hard links, which each commit needs; ${otherFileSystem}`
  },
  sync: {
    codes: ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"],
    reason: `its file system cannot make a folder durable (fsync); ${otherFileSystem}`
  }
}

export const codeOf = (cause: unknown) =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** The cause and the fix, as the end of a sentence. */
export const reasonOf = (cause: unknown, operation?: string) => {
  const code = codeOf(cause) ?? ""
  const lack = lacking[operation ?? ""]
  if (lack?.codes.includes(code)) return lack.reason
  return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause))
}

/** Runs a file system call as part of `operation`. */
export const attempt = <A>(operation: string, run: () => Promise<A>, kind?: "link" | "sync") =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new TableUnavailable({ operation, reason: reasonOf(cause, kind), cause })
  })

export const isMissing = (error: TableUnavailable) => codeOf(error.cause) === "ENOENT"

export const read = (path: string) => attempt(`reading ${basename(path)}`, () => readFile(path))

/** The names in a folder; empty if the folder does not exist. */
export const list = (folder: string) =>
  attempt(`reading the folder ${basename(folder)}`, () => readdir(folder)).pipe(
    Effect.catchIf(isMissing, () => Effect.succeed<Array<string>>([]))
  )

/** The paths of a folder's files and folders at every depth, relative to it; empty if the folder does not exist. */
export const listAll = (folder: string) =>
  attempt(`reading the folder ${basename(folder)}`, () => readdir(folder, { recursive: true })).pipe(
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

/** Makes the content of a file, or the entries of a folder, durable. */
export const sync = (path: string) => attempt(`syncing ${basename(path)}`, () => fsyncPromise(path), "sync")

/** Writes a new file, which is durable once its folder is synced; fails if it exists. */
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

/** Gives a file a second name; fails with EEXIST if the name is taken, where rename would overwrite it. */
export const linkNew = (from: string, to: string) => attempt(`naming ${basename(to)}`, () => link(from, to), "link")

export const renameOver = (from: string, to: string) => attempt(`naming ${basename(to)}`, () => rename(from, to))

/** Removes a file; true if it existed. */
export const remove = (path: string) =>
  attempt(`removing ${basename(path)}`, () => unlink(path)).pipe(
    Effect.as(true),
    Effect.catchIf(isMissing, () => Effect.succeed(false))
  )

/** The checksum file that Hadoop writes beside a file and verifies when it reads it. */
const checksumOf = (path: string) => join(dirname(path), `.${basename(path)}.crc`)

/** Call this before you replace a file that Hadoop may have written. */
export const removeChecksum = (path: string) => remove(checksumOf(path))

export const removeWithChecksum = (path: string) => Effect.andThen(Effect.ignore(removeChecksum(path)), remove(path))

/** Identifies the file that has this name now; undefined if there is none. */
export const identityOf = (path: string) =>
  attempt(`reading the attributes of ${basename(path)}`, () => stat(path, { bigint: true })).pipe(
    Effect.map(({ dev, ino, size }) => `${dev} ${ino} ${size}`),
    Effect.catchIf(isMissing, () => Effect.succeed(undefined))
  )

/** Removes a folder and its content. */
export const removeFolder = (path: string) =>
  attempt(`removing the folder ${basename(path)}`, () => rm(path, { recursive: true, force: true }))

/** Removes a folder if it is empty. */
export const removeEmpty = (path: string) => Effect.promise(() => rmdir(path).catch(() => undefined))

/** Creates a folder and its parents, each durable in its parent. */
export const makeFolder = (path: string) =>
  attempt(`creating the folder ${basename(path)}`, async () => {
    const first = await mkdir(path, { recursive: true })
    if (first === undefined) return
    for (let folder = path; ; folder = dirname(folder)) {
      await fsyncPromise(dirname(folder))
      if (folder === first) return
    }
  })
