/** Tests a folder for what the log and the table need of its file system, with a temporary file. */
import { randomUUID } from "node:crypto"
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Files from "./files.ts"

export interface Fault {
  readonly operation: "write" | "sync" | "link"
  readonly code: string
  /** The cause and the fix, as the end of a sentence. */
  readonly reason: string
}

/** Some file systems store tiny files in the directory, which works even on a full disk. */
const bytes = 16 * 1024

/** Replaced in tests: not every machine has a file system without hard links. */
export interface Calls {
  readonly link: (from: string, to: string) => void
  readonly sync: (file: number) => void
}

const attempt = (operation: Fault["operation"], run: () => void): Fault | undefined => {
  try {
    run()
    return undefined
  } catch (cause) {
    return { operation, code: Files.codeOf(cause) ?? "", reason: Files.reasonOf(cause, operation) }
  }
}

const syncFolder = (folder: string, sync: Calls["sync"]) => {
  const file = openSync(folder, "r")
  try {
    sync(file)
  } finally {
    closeSync(file)
  }
}

/** The first operation that fails; undefined if all succeed. */
export const probeFolder = (folder: string, calls: Partial<Calls> = {}): Fault | undefined => {
  const { link = linkSync, sync = fsyncSync } = calls
  const path = join(folder, `probe-${randomUUID()}.tmp`)
  try {
    return (
      attempt("write", () => {
        const file = openSync(path, "wx")
        try {
          writeSync(file, Buffer.alloc(bytes, "probe"))
          fsyncSync(file)
        } finally {
          closeSync(file)
        }
      }) ??
      attempt("sync", () => syncFolder(folder, sync)) ??
      attempt("link", () => link(path, `${path}.link`))
    )
  } finally {
    rmSync(path, { force: true })
    rmSync(`${path}.link`, { force: true })
  }
}
