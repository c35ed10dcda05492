/** The files of the processors in a data folder. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import type { DataFolder } from "../../../services/DataFolder.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import { processorFolder } from "../../log/sqlite/processorFolder.ts"
import { pauseFile } from "../../process/pauseFile.ts"
import { processorState } from "../../process/sqlite/stateLines.ts"

const writersIn = (streams: ReadonlyArray<AppliedStream>) =>
  new Set(streams.flatMap(({ definition: { writer } }) => writer ?? []))

/** The names of the processors that are paused. */
export const pausedProcessors = (folder: DataFolder["Service"], streams: ReadonlyArray<AppliedStream>) =>
  [...writersIn(streams)].filter((name) => existsSync(pauseFile(folder, name)))

/** Pauses processors in a folder where no program runs. */
export const pauseProcessors = (folder: DataFolder["Service"], names: ReadonlyArray<string>) => {
  mkdirSync(folder.processors, { recursive: true })
  for (const name of names) writeFileSync(pauseFile(folder, name), "", { flush: true })
}

/**
 * The folders (of type DataFolder, for what works on a log) of the processors that have a file, each before those that it
 * reads from: copied in this order, no copy has processed more than the next one has.
 */
export const processorFolders = (folder: DataFolder["Service"], streams: ReadonlyArray<AppliedStream>) => {
  const writers = new Map(
    streams.flatMap(({ definition: { name, writer } }) => (writer === undefined ? [] : [[name, writer] as const]))
  )
  const first = new Set<string>()
  const add = (name: string) => {
    if (first.has(name)) return
    const from = processorState(folder, name)?.definition.from
    const source = from === undefined ? undefined : writers.get(from)
    if (source !== undefined) add(source)
    first.add(name)
  }
  for (const name of writersIn(streams)) add(name)
  return [...first]
    .toReversed()
    .map((name) => ({ name, place: processorFolder(folder, name) }))
    .filter(({ place }) => LogFile.isThere(place))
}
