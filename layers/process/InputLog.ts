/** Reads the input of a processor from the file that has it: the log, or the file of the processor that writes it. */
import type { DataFolder } from "../../services/DataFolder.ts"
import * as LogFile from "../log/sqlite/LogFile.ts"
import type { LogTable } from "../log/sqlite/LogTable.ts"
import { processorFolder } from "../log/sqlite/processorFolder.ts"
import type { InputEvent } from "./Runner.ts"

export interface InputLog {
  /** At most `limit` events from `from` on, fewer if they are large; none if there are no more for now. Throws LogCorrupt and LogUnavailable. */
  readonly events: (from: number, limit: number) => ReadonlyArray<InputEvent>
  readonly close: () => void
}

/** An event has up to 1 MiB, so that a thousand of them would fill the memory. */
const piece = 100
const maxLength = 16 * 1024 * 1024

const lengthOf = (events: ReadonlyArray<InputEvent>) =>
  events.reduce((length, { record }) => length + (typeof record === "string" ? record.length : 0), 0)

/** Reads in pieces until there is enough. */
const read = (table: LogTable, from: number, limit: number) => {
  const events: Array<InputEvent> = []
  let length = 0
  while (events.length < limit && length < maxLength) {
    const wanted = Math.min(piece, limit - events.length)
    const more = table.rows(from + events.length, wanted)
    events.push(...more)
    length += lengthOf(more)
    if (more.length < wanted) break
  }
  return events
}

/** `writer` is the processor that writes the stream, if one does. */
export const open = (folder: DataFolder["Service"], stream: string, writer: string | undefined): InputLog => {
  const place = writer === undefined ? folder : processorFolder(folder, writer)
  let file: LogFile.LogFile | undefined
  /** The state of the file in which there was nothing after `emptyAt`. */
  let emptyVersion: unknown
  let emptyAt = -1

  const close = () => {
    file?.close()
    file = undefined
    emptyAt = -1
  }

  return {
    events: (from, limit) => {
      if (file?.isReplaced()) close()
      if (file === undefined) {
        if (!LogFile.isThere(place)) return []
        file = LogFile.open(place)
      }
      const version = file.version()
      if (emptyAt === from && emptyVersion === version) return []
      const events = read(file.of(stream), from, limit)
      if (events.length === 0) {
        emptyAt = from
        emptyVersion = version
      }
      return events
    },
    close
  }
}
