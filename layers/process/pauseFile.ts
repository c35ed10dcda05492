import { join } from "node:path"
import type { DataFolder } from "../../services/DataFolder.ts"

/** While this file is there, the processor keeps its place and does nothing. */
export const pauseFile = ({ processors }: DataFolder["Service"], name: string) => join(processors, `${name}.paused`)
