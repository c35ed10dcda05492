/** Maps paths as a table's files record them to where the files are now. */
import { join } from "node:path"
import { Effect } from "effect"
import { TableBroken } from "../../../services/TableWriter.ts"

/** Other engines write a local path as a file URL. */
export const pathOf = (recorded: string) => recorded.replace(/^file:(?:\/\/)?(?=\/)/, "")

/** Maps a recorded path under the recorded location to the table's real folder. */
export const located = (tableFolder: string, location: string, recorded: string) => {
  const path = pathOf(recorded)
  const root = `${pathOf(location).replace(/\/$/, "")}/`
  return path.startsWith(root)
    ? Effect.succeed(join(tableFolder, path.slice(root.length)))
    : Effect.fail(new TableBroken({ file: recorded, reason: `is outside the table's location ${location}` }))
}
