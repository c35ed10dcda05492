import { join } from "node:path"
import { DataFolder } from "../../../services/DataFolder.ts"

/** The data folder as a processor's log has it: `log` is the file with its output, its state and its progress. */
export const processorFolder = (folder: DataFolder["Service"], name: string) =>
  DataFolder.of({
    ...folder,
    log: join(folder.processors, `${name}.db`),
    logHighWaterMark: join(folder.processors, `${name}.end`)
  })
