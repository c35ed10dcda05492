/** Reads the input of a processor from the file that has it: the log, or the file of the processor that writes it. */
import type { DataFolder } from "../../services/DataFolder.ts"
import * as LogFile from "../log/sqlite/LogFile.ts"
import { processorFolder } from "../log/sqlite/processorFolder.ts"
import type { InputEvent } from "./Runner.ts"

export interface InputLog {
  /** At most `limit` events from `from` on; none if there are no more for now. Throws LogCorrupt and LogUnavailable. */
  readonly events: (from: number, limit: number) => ReadonlyArray<InputEvent>
  readonly close: () => void
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
      const events = file.of(stream).events(from, limit)
      if (events.length === 0) {
        emptyAt = from
        emptyVersion = version
      }
      return events.map(({ acceptedAt, position, record, schemaVersion = 1 }) => ({
        offset: position.offset,
        record,
        acceptedAt,
        schemaVersion
      }))
    },
    close
  }
}
