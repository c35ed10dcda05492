/** Checks of the data folder: it exists, its disk has room, its files have one owner, and Floe can use them. */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statfsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Effect } from "effect"
import { type Check, CheckFailed, type Finding } from "../../../../services/Checks.ts"
import type { DataFolder } from "../../../../services/DataFolder.ts"
import * as Files from "../../../runtime/files.ts"
import { plural } from "../../../runtime/plural.ts"
import { probeFolder } from "../../../runtime/probeFolder.ts"
import { mebibytes } from "../../probes/mebibytes.ts"
import { shellQuoted } from "./shellQuoted.ts"

type Folder = DataFolder["Service"]

/** The folder, or the one in which it will be made. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)))

/** A commit of a few rows needs about as much. */
const fullBytes = 2 ** 20

const attempt = (run: () => ReadonlyArray<Finding>) =>
  Effect.try({
    try: run,
    catch: (cause) => new CheckFailed({ reason: cause instanceof Error ? cause.message : String(cause), cause })
  })

export const data = (root: string): Check => ({
  name: "data",
  ok: `The data folder ${root} exists.`,
  run: attempt(() => {
    if (existsSync(root)) return []
    const finding: Finding = {
      finding: `The data folder ${root} does not exist.`,
      consequence:
        "Either Floe never ran on it, or it was moved or removed; programs that still use it accept no more events.",
      fix: "npm start creates a new one. If there was one, stop Floe, put the folder back or set FLOE_DATA to where it is, and start again."
    }
    return [finding]
  })
})

export const disk = (root: string, roomBytes: number): Check => ({
  name: "disk",
  ok: `The disk has room: more than ${mebibytes(roomBytes)}.`,
  run: attempt(() => {
    const { bavail, blocks, bsize, files, ffree } = statfsSync(existing(root))
    const findings: Array<Finding> = []
    if (bavail * bsize < roomBytes) {
      findings.push({
        finding: `The disk of ${root} ${bavail * bsize < fullBytes ? "is full: it " : ""}has ${mebibytes(bavail * bsize)} of ${mebibytes(blocks * bsize)} left.`,
        consequence: "When it is full, the server answers 503 to events and nothing is committed to the table.",
        fix: `Free up space on it until ${mebibytes(roomBytes)} are free (du -xh --max-depth=3 ${shellQuoted(root)} shows what is large), or move the data folder to a larger disk and set FLOE_DATA.`
      })
    }
    // Some file systems do not count them.
    if (files > 0 && ffree < 1000) {
      findings.push({
        finding: `The file system of ${root} can hold only ${plural(ffree, "more file")}.`,
        consequence: "When there are none left, nothing is committed to the table.",
        fix: "Remove files that are no longer needed, or move the data folder and set FLOE_DATA."
      })
    }
    return findings
  })
})

const placesOf = (folder: Folder) =>
  [
    folder.root,
    folder.log,
    `${folder.log}-wal`,
    `${folder.log}-shm`,
    folder.logHighWaterMark,
    folder.serverLock,
    folder.sinkLock,
    folder.controlDatabase,
    folder.warehouse,
    folder.table,
    `${folder.table}/data`,
    `${folder.table}/metadata`
  ].filter((path) => existsSync(path))

/** A file that a stopping server removes meanwhile counts as allowed; so does a read-only file system, which is not a matter of permissions. */
const may = (wanted: number, path: string) => {
  try {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
    accessSync(path, wanted | (isFolder ? constants.X_OK : 0))
    return true
  } catch (cause) {
    return Files.codeOf(cause) === "EROFS" || !existsSync(path)
  }
}

const sqlite = "SQLite format 3\0"

/** What is wrong with a lock; undefined if it is a lock, or missing. */
const faultOfLock = (path: string) => {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || (stats.isFile() && stats.size === 0)) return undefined
  if (stats.isDirectory()) return "is a folder, but must be a file"
  const file = openSync(path, "r")
  try {
    const start = Buffer.alloc(sqlite.length)
    readSync(file, start)
    return start.toString("latin1") === sqlite ? undefined : "is not a lock: the file holds something else"
  } finally {
    closeSync(file)
  }
}

const ownerOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.uid

const onlyReads = ({ root }: Folder): Finding => ({
  finding: `You may read ${root} but not write to it.`,
  consequence:
    "Commands that only read work for you (floe query, audit, status, tail, backup). Whether Floe can write to the folder was not tested.",
  fix: `Run other commands as the user ${ownerOf(root)}, who owns the folder.`,
  warning: true
})

export const folder = (folder: Folder): Check => ({
  name: "folder",
  needs: ["data"],
  ok: `One user owns all of the data folder ${folder.root} and may read and write it, and its file system supports what Floe needs.`,
  run: attempt(() => {
    const places = placesOf(folder)
    const findings: Array<Finding> = []
    const owner = ownerOf(folder.root)
    const isReader = owner !== process.getuid?.() && !may(constants.W_OK, folder.root)
    const needed = isReader ? constants.R_OK : constants.R_OK | constants.W_OK
    const denied = places.filter((path) => !may(needed, path))
    if (denied.length > 0) {
      findings.push({
        finding: `You may not read ${isReader ? "" : "and write "}${denied.join(", ")}.`,
        consequence: "The server, the sink and floe cannot use it when you start them.",
        fix: `Run them as the owner of ${folder.root}, or take ownership: sudo chown -R "$(id -un)" ${shellQuoted(folder.root)}`
      })
    }
    const locks = [folder.serverLock, folder.sinkLock, folder.rebuildLock].filter((path) => !denied.includes(path))
    for (const path of locks) {
      const wrong = faultOfLock(path)
      if (wrong === undefined) continue
      findings.push({
        finding: `The lock ${path} ${wrong}.`,
        consequence: "The program that needs that lock cannot start.",
        fix: `Stop the programs that use the folder, and remove it: rm -r ${shellQuoted(path)}`
      })
    }
    const foreign = places.filter((path) => (ownerOf(path) ?? owner) !== owner)
    if (foreign.length > 0) {
      findings.push({
        finding: `${folder.root} belongs to user ${owner}, but ${foreign.join(", ")} to another user.`,
        consequence: "When one of them starts Floe, it cannot write the other's files.",
        fix: `Give all of it to one user: sudo chown -R ${owner} ${shellQuoted(folder.root)}`
      })
    }
    if (isReader && denied.length === 0) findings.push(onlyReads(folder))
    const fault = isReader || denied.length > 0 ? undefined : probeFolder(folder.root)
    if (fault !== undefined) {
      findings.push({
        finding: `The data folder ${folder.root} cannot be used: ${fault.reason}.`,
        consequence:
          fault.operation === "write"
            ? "The server answers 503 to events and nothing is committed to the table."
            : "Nothing can be committed to the table.",
        fix: "Fix the cause, then start Floe again if it is not running (npm start)."
      })
    }
    return findings
  })
})
