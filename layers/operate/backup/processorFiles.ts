/** The files of the processors in a data folder. */
import type { DataFolder } from "../../../services/DataFolder.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import { processorFolder } from "../../log/sqlite/processorFolder.ts"
import { processorState } from "../../process/sqlite/stateLines.ts"

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
  for (const name of new Set(writers.values())) add(name)
  return [...first]
    .toReversed()
    .map((name) => ({ name, place: processorFolder(folder, name) }))
    .filter(({ place }) => LogFile.isThere(place))
}
