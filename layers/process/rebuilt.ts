/**
 * Rebuilt files of processors, and how they replace the files in use. A state file records the steps that are done, so that
 * the next program completes a replacement that was interrupted.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { sync } from "../log/sqlite/LogFile.ts"
import { processorFolder } from "../log/sqlite/processorFolder.ts"
import { keepTicks } from "./sqlite/ticksToCome.ts"

/** `pausing`: the files are complete, and the sink is told to wait. `ready`: they are to be put in place. `swapped`: they are in place, and their tables follow. */
const RebuildState = Schema.Struct({
  /** One processor, and those that read what it writes, directly or through others. */
  names: Schema.Array(Schema.String),
  phase: Schema.Literals(["pausing", "ready", "swapped"]),
  /** The streams whose sink waits for that. */
  paused: Schema.Array(Schema.String)
})
export type RebuildState = typeof RebuildState.Type
const StateFile = Schema.fromJsonString(RebuildState)
const decode = Schema.decodeUnknownOption(StateFile)
const encode = Schema.encodeSync(StateFile)

type Folder = DataFolder["Service"]

/** The data folder with the rebuilt files in place of those that are in use. */
export const rebuiltIn = (folder: Folder) =>
  DataFolder.of({ ...folder, processors: join(folder.processors, "rebuild") })

const stateFile = (folder: Folder) => join(rebuiltIn(folder).processors, "state.json")

const syncFolder = (path: string) => {
  if (process.platform !== "win32") sync(path)
}

/** Undefined before files are complete. */
export const readState = (folder: Folder): RebuildState | undefined => {
  const path = stateFile(folder)
  return existsSync(path) ? Option.getOrUndefined(decode(readFileSync(path, "utf8"))) : undefined
}

/** Durable when it returns. */
export const writeState = (folder: Folder, state: RebuildState) => {
  const path = stateFile(folder)
  writeFileSync(`${path}.new`, encode(state))
  sync(`${path}.new`)
  renameSync(`${path}.new`, path)
  syncFolder(rebuiltIn(folder).processors)
}

/** Forgets whatever an earlier rebuild left. */
export const clearRebuilt = (folder: Folder) => {
  const { processors } = rebuiltIn(folder)
  // First, as without it nothing is put in place.
  rmSync(stateFile(folder), { force: true })
  rmSync(processors, { recursive: true, force: true })
}

export const makeRebuilt = (folder: Folder) => mkdirSync(rebuiltIn(folder).processors, { recursive: true })

/** A write-ahead log that still has something; only the databases themselves are put in place. */
export const unmergedIn = (folder: Folder, names: ReadonlyArray<string>) =>
  names
    .map((name) => `${processorFolder(rebuiltIn(folder), name).log}-wal`)
    .find((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0)

export const swapIsDue = (folder: Folder) => readState(folder)?.phase === "ready"

/** Puts the files in place that are ready. Only the holder of the processors' lock may, and no store may be open. */
export const putInPlace = (folder: Folder) => {
  const state = readState(folder)
  if (state?.phase !== "ready") return
  for (const [index, name] of state.names.entries()) {
    const from = processorFolder(rebuiltIn(folder), name)
    const to = processorFolder(folder, name)
    if (existsSync(from.log)) {
      // The others read what was rebuilt, so that the offsets of their ticks are of another input.
      if (index === 0) keepTicks(folder, rebuiltIn(folder), name)
      // Each file without a mark can be read; beside the mark of the other one it would seem to have lost rows.
      rmSync(to.logHighWaterMark, { force: true })
      // SQLite would apply the WAL of the former file to the new one.
      for (const end of ["-wal", "-shm"]) rmSync(`${to.log}${end}`, { force: true })
      renameSync(from.log, to.log)
    }
    if (existsSync(from.logHighWaterMark)) renameSync(from.logHighWaterMark, to.logHighWaterMark)
  }
  syncFolder(folder.processors)
  writeState(folder, { ...state, phase: "swapped" })
}
