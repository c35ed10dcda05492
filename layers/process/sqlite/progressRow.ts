/** The row that says how far a processor is, as its file has it. */
import type { DatabaseSync } from "node:sqlite"
import { Schema } from "effect"
import { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"

export const ProgressRow = Schema.Struct({
  next: Schema.Int,
  watermark: Schema.NullOr(Schema.Int),
  definition: Schema.fromJsonString(ProcessorDefinition)
})
const decode = Schema.decodeUnknownOption(ProgressRow)

/** Undefined before the first start; None if it cannot be decoded. Throws errors of SQLite. */
export const progressIn = (database: DatabaseSync) => {
  const row = database.prepare("SELECT next, watermark, definition FROM progress WHERE id = 0").get()
  return row === undefined ? undefined : decode(row)
}

export const encodeDefinition = Schema.encodeSync(Schema.fromJsonString(ProcessorDefinition))
