/** Files that stay: written, fsynced and named so that a crash leaves the old ones or the new. */
import { link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, unlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Effect } from "effect"
import { TableUnavailable } from "../../services/Table.ts"

const reasons: Record<string, string> = {
  ENOSPC: "the disk is full; make room on it, and it goes on by itself",
  EDQUOT: "the disk quota is used up; make room, and it goes on by itself",
  EROFS: "the file system is read-only; mount it writable, or set FLOE_DATA to a folder on another one",
  EACCES: "permission denied; check the owner of the data folder",
  EPERM: "permission denied; check the owner of the data folder",
  EISDIR: "it is a folder, and a file belongs there",
  ENOTDIR: "a part of its path is a file, and a folder belongs there",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  EIO: "the disk reports an error; check the disk"
}

const otherFileSystem = "set FLOE_DATA to a folder on another file system, such as ext4, XFS or APFS"

/** What a file system answers that has none of it, such as FAT. */
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

/** What is wrong and what to do, as the end of a sentence. */
export const reasonOf = (cause: unknown, operation?: string) => {
  const code = codeOf(cause) ?? ""
  const lack = lacking[operation ?? ""]
  if (lack?.codes.includes(code)) return lack.reason
  return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause))
}

/** Runs a promise of the file system as part of `operation`. */
export const attempt = <A>(operation: string, run: () => Promise<A>, kind?: "link" | "sync") =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new TableUnavailable({ operation, reason: reasonOf(cause, kind), cause })
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
export const sync = (path: string) => attempt(`syncing ${basename(path)}`, () => fsyncPromise(path), "sync")

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
export const linkNew = (from: string, to: string) => attempt(`naming ${basename(to)}`, () => link(from, to), "link")

export const renameOver = (from: string, to: string) => attempt(`naming ${basename(to)}`, () => rename(from, to))

/** Succeeds with true if there was a file to remove. */
export const remove = (path: string) =>
  attempt(`removing ${basename(path)}`, () => unlink(path)).pipe(
    Effect.as(true),
    Effect.catchIf(isMissing, () => Effect.succeed(false))
  )

/** What Hadoop puts beside each file that it writes, and compares with the file when it reads it. */
const checksumOf = (path: string) => join(dirname(path), `.${basename(path)}.crc`)

/** To be done before a file takes the place of one that Hadoop may have written. */
export const removeChecksum = (path: string) => remove(checksumOf(path))

export const removeWithChecksum = (path: string) => Effect.andThen(Effect.ignore(removeChecksum(path)), remove(path))

/** Which file has this name now; undefined if none has. */
export const identityOf = (path: string) =>
  attempt(`looking at ${basename(path)}`, () => stat(path, { bigint: true })).pipe(
    Effect.map(({ dev, ino, size }) => `${dev} ${ino} ${size}`),
    Effect.catchIf(isMissing, () => Effect.succeed(undefined))
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
