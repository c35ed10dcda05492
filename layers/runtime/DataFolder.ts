import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync
} from "node:fs"
import { dirname, join, resolve } from "node:path"
import { Effect, Layer } from "effect"
import { DataFolder, DataFolderUnusable } from "../../services/DataFolder.ts"
import { dataFolder } from "../../services/Settings.ts"
import { probeFolder } from "./probeFolder.ts"

const elsewhere = "set FLOE_DATA to a folder that you may write to"
const reasons: Record<string, string> = {
  EACCES: `permission denied; run Floe as the owner of the folder, or ${elsewhere}`,
  ENOENT: `no folder can be created there; ${elsewhere}`,
  EPERM: `permission denied; run Floe as the owner of the folder, or ${elsewhere}`,
  EROFS: `the file system is read-only; mount it writable, or ${elsewhere}`,
  ENOSPC: "the disk is full; free some space and start again",
  EDQUOT: "the disk quota is used up; free some space and start again",
  ENOTDIR: `a part of the path is a file; ${elsewhere}`,
  EEXIST: `it is a file; ${elsewhere}`
}

const reasonOf = (cause: unknown) =>
  cause instanceof Error
    ? (("code" in cause && typeof cause.code === "string" ? reasons[cause.code] : undefined) ?? cause.message)
    : String(cause)

const sync = (folder: string) => {
  const file = openSync(folder, "r")
  fsyncSync(file)
  closeSync(file)
}

/**
 * Creates a folder and its parents, each synced into its parent, or a power loss could take the log with it. One by one:
 * `recursive` loops endlessly where folders cannot be created, for example in /proc.
 */
export const make = (wanted: string): void => {
  if (existsSync(wanted) && statSync(wanted).isDirectory()) return
  const parent = dirname(wanted)
  if (!existsSync(parent)) make(parent)
  try {
    mkdirSync(wanted)
  } catch (cause) {
    if (!(existsSync(wanted) && statSync(wanted).isDirectory())) throw cause
  }
  sync(parent)
}

/** The paths in the data folder at `root`. */
export const placesIn = (root: string) => {
  const warehouse = join(root, "warehouse")
  const tableAt = (name: string) => join(warehouse, "default", name)
  return DataFolder.of({
    root,
    log: join(root, "log.db"),
    logHighWaterMark: join(root, "log.end"),
    processors: join(root, "processors"),
    processorLock: join(root, "processor.lock"),
    serverLock: join(root, "server.lock"),
    serverAddress: join(root, "server.json"),
    sinkLock: join(root, "sink.lock"),
    rebuildLock: join(root, "replay.lock"),
    controlDatabase: join(root, "control.db"),
    leases: join(root, "leases"),
    clockStep: join(root, "clock.json"),
    warehouse,
    table: tableAt("weather"),
    tableAt
  })
}

const rootAt = (path: string, find: (wanted: string) => string) =>
  Layer.effect(
    DataFolder,
    Effect.try({
      try: () => placesIn(find(resolve(path))),
      catch: (cause) => new DataFolderUnusable({ path: resolve(path), reason: reasonOf(cause) })
    })
  )

/** The folder at `path`, which may be relative; created if it does not exist. */
export const at = (path: string) =>
  rootAt(path, (wanted) => {
    make(wanted)
    accessSync(wanted, constants.R_OK | constants.W_OK | constants.X_OK)
    const fault = probeFolder(wanted)
    // A full disk is not an error here: the log waits until there is space.
    if (fault !== undefined && fault.operation !== "write") throw new Error(fault.reason)
    return realpathSync(wanted)
  })

export const layer = Layer.unwrap(Effect.map(dataFolder, at))

/** For programs that only read: creates nothing, and the folder need not exist. */
export const layerToRead = Layer.unwrap(
  Effect.map(dataFolder, (path) =>
    rootAt(path, (wanted) => {
      if (!existsSync(wanted)) return wanted
      readdirSync(wanted)
      return realpathSync(wanted)
    })
  )
)
