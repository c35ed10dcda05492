import type { DatabaseSync } from "node:sqlite"
import { hasStreams } from "./schema.ts"

const newest = `SELECT json_extract(applied, '$.definition.writer') AS writer FROM schemas WHERE stream = ? ORDER BY version DESC LIMIT 1`

/** The processor that writes the stream, as its applied definition in the log says. */
export const writerIn = (database: DatabaseSync, stream: string) => {
  const writer = hasStreams(database) ? database.prepare(newest).get(stream)?.writer : undefined
  return typeof writer === "string" ? writer : undefined
}
