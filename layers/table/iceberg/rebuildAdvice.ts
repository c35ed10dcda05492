import type { TableBroken } from "../../../services/Table.ts"

/** What repairs a table whose rows cannot all be read; the log has them. */
export const rebuildCommand = "floe replay --into weather_again --swap"

/** The end of a sentence about a table that is broken. What Floe only does not read is not to be repaired. */
export const repairAdvice = ({ unsupported }: TableBroken) =>
  unsupported === true ? "" : "; floe doctor says what repairs it"
