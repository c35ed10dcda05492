/** A disk that is really full. */
import { execFileSync, spawnSync } from "node:child_process"
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { temporaryFolder } from "./dataFolder.ts"

/** A file system of so many MiB until the scope closes; undefined where it cannot be mounted, which only root can do. */
export const smallDisk = Effect.fnUntraced(function* (mebibytes: number) {
  const folder = join(yield* temporaryFolder, "disk")
  mkdirSync(folder)
  const args = ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder]
  const mounted = yield* Effect.acquireRelease(
    Effect.sync(() => spawnSync("mount", args).status === 0),
    (mounted) => Effect.sync(() => mounted && execFileSync("umount", ["-l", folder]))
  )
  return mounted ? folder : undefined
})

/** Writes a file until the disk is full. */
export const fill = (path: string) => {
  const file = openSync(path, "w")
  try {
    for (;;) writeSync(file, Buffer.alloc(4096))
  } catch {
    closeSync(file)
  }
}
