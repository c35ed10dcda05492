/** A disk that is really full. */
import { execFileSync, spawnSync } from "node:child_process"
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { temporaryFolder } from "./dataFolder.ts"

/** A file system of a few MiB; only root can mount one. */
const mount = (folder: string, mebibytes: number) =>
  spawnSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", folder]).status === 0

/** Undefined where it cannot be made; `within` by default a folder of its own. */
export const smallDisk = Effect.fnUntraced(function* (mebibytes: number, within?: string) {
  const folder = join(within ?? (yield* temporaryFolder), "disk")
  mkdirSync(folder)
  const mounted = yield* Effect.acquireRelease(
    Effect.sync(() => mount(folder, mebibytes)),
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
