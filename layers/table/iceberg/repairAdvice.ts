import type { TableBroken } from "../../../services/TableWriter.ts"

/** Repairs a stream's table with unreadable rows from the log. */
export const rebuildOf = (stream: string) =>
  `floe rebuild ${stream === "weather" ? "" : `--stream ${stream} `}--into ${stream}_again --promote`

/** The end of a sentence about a broken table; empty if the table is valid and only unsupported. */
export const repairAdvice = ({ unsupported }: TableBroken) =>
  unsupported === true ? "" : "; run floe doctor to see how to repair it"
