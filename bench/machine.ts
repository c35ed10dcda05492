/** Describes the machine: cores, memory, and how many fdatasync calls per second its disk completes. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"

/** Appends of 4 KiB, each followed by fdatasync, per second. */
export const fdatasyncPerSecond = (folder: string) => {
  const path = join(folder, "fdatasync")
  const file = openSync(path, "w")
  const page = Buffer.alloc(4096)
  const started = performance.now()
  let count = 0
  while (performance.now() - started < 2000) {
    writeSync(file, page, 0, page.length, count * page.length)
    fdatasyncSync(file)
    count++
  }
  const seconds = (performance.now() - started) / 1000
  closeSync(file)
  rmSync(path)
  return count / seconds
}

export const describe = (folder: string) =>
  `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB, ` +
  `${Math.round(fdatasyncPerSecond(folder))} fdatasync/s, Node ${process.version}`
