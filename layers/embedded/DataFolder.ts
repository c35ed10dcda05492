import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { Effect, Layer } from "effect"
import { DataFolder, DataFolderUnusable } from "../../services/DataFolder.ts"
import { dataFolder } from "../../services/Settings.ts"

const reasons: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "it is a file"
}

const reasonOf = (cause: unknown) =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string"
    ? (reasons[cause.code] ?? cause.message)
    : String(cause)

const sync = (folder: string) => {
  const file = openSync(folder, "r")
  fsyncSync(file)
  closeSync(file)
}

/** Each folder that is made is synced into its parent, or a power loss could take the log with it. */
const make = (wanted: string) => {
  const first = mkdirSync(wanted, { recursive: true })
  if (first === undefined) return
  for (let made = wanted; made.length >= first.length; made = dirname(made)) sync(dirname(made))
}

/** The folder at `path`, which may be relative; made if it is not there. */
export const at = (path: string) =>
  Layer.effect(
    DataFolder,
    Effect.try({
      try: () => {
        const wanted = resolve(path)
        make(wanted)
        accessSync(wanted, constants.R_OK | constants.W_OK | constants.X_OK)
        const root = realpathSync(wanted)
        const warehouse = join(root, "warehouse")
        return DataFolder.of({
          root,
          log: join(root, "log.db"),
          logWitness: join(root, "log.end"),
          serverLock: join(root, "server.lock"),
          sinkLock: join(root, "sink.lock"),
          control: join(root, "control.db"),
          warehouse,
          table: join(warehouse, "default", "weather")
        })
      },
      catch: (cause) => new DataFolderUnusable({ path: resolve(path), reason: reasonOf(cause) })
    })
  )

export const layer = Layer.unwrap(Effect.map(dataFolder, at))
