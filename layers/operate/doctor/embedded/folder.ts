/** Checks of the data folder: that it is there, room on its disk, whose its files are, what can be done in it. */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statfsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Effect } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
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

const attempt = <A>(run: () => A) =>
  Effect.try({ try: run, catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause))) })

export const data = ({ root }: Folder): Check => ({
  name: "data",
  ok: `The data folder ${root} is there.`,
  run: attempt(() => {
    if (existsSync(root)) return []
    const finding: Finding = {
      finding: `There is no data folder ${root}.`,
      consequence:
        "Nothing was kept there yet, or it was moved or removed: then programs that used it take no more events.",
      fix: "npm start makes a new one. If there was one, stop Floe, put the folder back or set FLOE_DATA to where it is, and start again."
    }
    return [finding]
  })
})

export const disk = ({ root }: Folder, roomBytes: number): Check => ({
  name: "disk",
  ok: `The disk has room: more than ${mebibytes(roomBytes)}.`,
  run: attempt(() => {
    const { bavail, blocks, bsize, files, ffree } = statfsSync(existing(root))
    const findings: Array<Finding> = []
    if (bavail * bsize < roomBytes) {
      findings.push({
        finding: `The disk of ${root} ${bavail * bsize < fullBytes ? "is full: it " : ""}has ${mebibytes(bavail * bsize)} of ${mebibytes(blocks * bsize)} left.`,
        consequence: "When it is full, events are refused with 503 and nothing is committed to the table.",
        fix: `Make room on it until ${mebibytes(roomBytes)} are free (see what is large: du -xh --max-depth=3 ${shellQuoted(root)}), or move the data folder to a larger disk and set FLOE_DATA.`
      })
    }
    // Some file systems do not count them.
    if (files > 0 && ffree < 1000) {
      findings.push({
        finding: `The file system of ${root} can hold only ${plural(ffree, "more file")}.`,
        consequence: "When there are none left, nothing is committed to the table.",
        fix: "Remove files that nobody needs from it, or move the data folder and set FLOE_DATA."
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
    folder.control,
    folder.warehouse,
    folder.table,
    `${folder.table}/data`,
    `${folder.table}/metadata`
  ].filter((path) => existsSync(path))

/** What a server that ends removes meanwhile is well, and a read-only file system is not the permissions' fault. */
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

/** What lies where a lock belongs; undefined if it is one, or nothing. */
const insteadOfLock = (path: string) => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined || (found.isFile() && found.size === 0)) return undefined
  if (found.isDirectory()) return "is a folder"
  const file = openSync(path, "r")
  try {
    const start = Buffer.alloc(sqlite.length)
    readSync(file, start)
    return start.toString("latin1") === sqlite ? undefined : "holds something else"
  } finally {
    closeSync(file)
  }
}

const ownerOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.uid

const onlyReads = ({ root }: Folder): Finding => ({
  finding: `You may read ${root} and not write it.`,
  consequence:
    "What only reads works for you (floe query, audit, status, tail, backup). What Floe can do in the folder was not tried.",
  fix: `For all else run the command as the user ${ownerOf(root)}, who owns the folder.`,
  warning: true
})

export const folder = (folder: Folder): Check => ({
  name: "folder",
  needs: ["data"],
  ok: `The data folder ${folder.root} is one user's, who may read and write all of it, and its file system has what Floe needs.`,
  run: attempt(() => {
    const places = placesOf(folder)
    const findings: Array<Finding> = []
    const owner = ownerOf(folder.root)
    const isReader = owner !== process.getuid?.() && !may(constants.W_OK, folder.root)
    const needed = isReader ? constants.R_OK : constants.R_OK | constants.W_OK
    const refused = places.filter((path) => !may(needed, path))
    if (refused.length > 0) {
      findings.push({
        finding: `You may not read ${isReader ? "" : "and write "}${refused.join(", ")}.`,
        consequence: "The server, the sink or floe cannot use it when you start them.",
        fix: `Run them as the owner of ${folder.root}, or give the folder to yourself: sudo chown -R "$(id -un)" ${shellQuoted(folder.root)}`
      })
    }
    const locks = [folder.serverLock, folder.sinkLock, folder.rebuildLock].filter((path) => !refused.includes(path))
    for (const path of locks) {
      const instead = insteadOfLock(path)
      if (instead === undefined) continue
      findings.push({
        finding: `Where the lock ${path} belongs there ${instead === "is a folder" ? instead : `is a file that ${instead}`}.`,
        consequence: "What has to hold that lock cannot start.",
        fix: `Stop what runs on the folder, and remove it: rm -r ${shellQuoted(path)}`
      })
    }
    const foreign = places.filter((path) => (ownerOf(path) ?? owner) !== owner)
    if (foreign.length > 0) {
      findings.push({
        finding: `${folder.root} belongs to user ${owner}, and ${foreign.join(", ")} to another.`,
        consequence: "Floe, when one of them starts it, cannot write what belongs to the other.",
        fix: `Give all of it to one user: sudo chown -R ${owner} ${shellQuoted(folder.root)}`
      })
    }
    if (isReader && refused.length === 0) findings.push(onlyReads(folder))
    const fault = isReader || refused.length > 0 ? undefined : probeFolder(folder.root)
    if (fault !== undefined) {
      findings.push({
        finding: `The data folder ${folder.root} cannot be used: ${fault.reason}.`,
        consequence:
          fault.operation === "write"
            ? "Events are refused with 503 and nothing is committed to the table."
            : "Nothing can be committed to the table.",
        fix: "Do what the reason says; then start Floe again if it does not run (npm start)."
      })
    }
    return findings
  })
})
