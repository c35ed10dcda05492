/**
 * Tables as other engines left them. `spark/weather`: Floe appended four rows "Oslo 0" to "Oslo 3" and three "Lima 0" to
 * "Lima 2"; then Spark 3.5 with Iceberg 1.9.2 set write.delete.mode to merge-on-read, deleted "Oslo 1", inserted "Rome 0"
 * and made a tag.
 */
import { cpSync } from "node:fs"
import { join } from "node:path"

export const recordedFolder = join(import.meta.dirname, "..", "recorded", "spark", "weather")
/** Where the table was recorded. */
export const recordedLocation = "/data/warehouse/default/weather"
export const newestRecorded = "v6.metadata.json"

export const placeRecorded = (tableFolder: string) => cpSync(recordedFolder, tableFolder, { recursive: true })
