/** Checks of the data folder: room on its disk, whose its files are. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Effect } from "effect"
import type { Check, Finding } from "../../../services/Checks.ts"
import type { DataFolder } from "../../../services/DataFolder.ts"
import { mebibytes } from "../../checks/Bytes.ts"

type Folder = DataFolder["Service"]

/** The folder, or the one in which it will be made. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)))

const attempt = <A>(run: () => A) =>
  Effect.try({ try: run, catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause))) })

export const disk = ({ root }: Folder, roomBytes: number): Check => ({
  name: "disk",
  well: `The disk has room: more than ${mebibytes(roomBytes)}.`,
  run: attempt(() => {
    const { bavail, bsize, files, ffree } = statfsSync(existing(root))
    const findings: Array<Finding> = []
    if (bavail * bsize < roomBytes) {
      findings.push({
        finding: `The disk of ${root} has ${mebibytes(bavail * bsize)} left.`,
        consequence: "When it is full, events are refused with 503 and nothing is committed to the table.",
        mend: `Make room on it (see what is large: du -xh --max-depth=3 ${root}), or move the data folder to a larger disk and set FLOE_DATA.`
      })
    }
    // Some file systems do not count them.
    if (files > 0 && ffree < 1000) {
      findings.push({
        finding: `The file system of ${root} can hold ${ffree} more files only.`,
        consequence: "When there are none left, nothing is committed to the table.",
        mend: "Remove files that nobody needs from it, or move the data folder and set FLOE_DATA."
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
    folder.logWitness,
    folder.serverLock,
    folder.sinkLock,
    folder.control,
    folder.warehouse,
    folder.table,
    `${folder.table}/data`,
    `${folder.table}/metadata`
  ].filter((path) => existsSync(path))

/** What a server that ends removes meanwhile is well. */
const isUsable = (path: string) => {
  try {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
    accessSync(path, constants.R_OK | constants.W_OK | (isFolder ? constants.X_OK : 0))
    return true
  } catch {
    return !existsSync(path)
  }
}

const ownerOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.uid

export const folder = (folder: Folder): Check => ({
  name: "folder",
  well: `The data folder ${folder.root} is one user's, who may read and write all of it.`,
  run: attempt(() => {
    const places = placesOf(folder)
    const findings: Array<Finding> = []
    const refused = places.filter((path) => !isUsable(path))
    if (refused.length > 0) {
      findings.push({
        finding: `You may not read and write ${refused.join(", ")}.`,
        consequence: "The server, the sink or floe cannot use it when you start them.",
        mend: `Run them as the owner of ${folder.root}, or give the folder to yourself: sudo chown -R "$(id -un)" ${folder.root}`
      })
    }
    const owner = ownerOf(folder.root)
    const foreign = places.filter((path) => (ownerOf(path) ?? owner) !== owner)
    if (foreign.length > 0) {
      findings.push({
        finding: `${folder.root} belongs to user ${owner}, and ${foreign.join(", ")} to another.`,
        consequence: "Whoever starts Floe as one of them cannot write what belongs to the other.",
        mend: `Give all of it to one user: sudo chown -R ${owner} ${folder.root}`
      })
    }
    return findings
  })
})
