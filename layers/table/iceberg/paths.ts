/** Paths as a table's files name them, and where those files are now. */
import { join } from "node:path"
import { Effect } from "effect"
import { TableBroken } from "../../../services/Table.ts"

/** Other engines write a local path as an address. */
export const pathOf = (recorded: string) => recorded.replace(/^file:(?:\/\/)?(?=\/)/, "")

/** Maps a path that the table's files name, under the recorded location, to the table's real folder. */
export const located = (tableFolder: string, location: string, recorded: string) => {
  const path = pathOf(recorded)
  const root = `${pathOf(location).replace(/\/$/, "")}/`
  return path.startsWith(root)
    ? Effect.succeed(join(tableFolder, path.slice(root.length)))
    : Effect.fail(new TableBroken({ file: recorded, reason: `is not in the table's location ${location}` }))
}
