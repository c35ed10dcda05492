/** Brings the table of a stream to one of its versions: creates it, or alters it while the sink keeps committing. */
import { Effect, Option, Schema } from "effect"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import * as RetryOnConflict from "./retryOnConflict.ts"
import * as StreamTable from "./streamTable.ts"

/** The table cannot become the stream's; nothing was changed. */
class TableConflict extends Schema.TaggedError<TableConflict>()("TableConflict", {
  stream: Schema.String,
  conflicts: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The table default.${this.stream} does not fit: ${this.conflicts.join("; ")}. Nothing was changed; undo that in Trino, or move the table away (ALTER TABLE ${this.stream} RENAME TO …) and run the command again.`
  }
}

interface Place {
  readonly bucket: string
  /** The id of the topic, which a table that is created records. */
  readonly logId?: string | undefined
}

/**
 * The table has the columns of this version when this returns. Each statement is planned from what the table has, so the
 * same call completes an interrupted one. Checks everything before it changes anything.
 */
export const bringTo = Effect.fn("EvolveTable.bringTo")(function* (
  stream: AppliedStream,
  { bucket, logId }: Place,
  onProgress: RetryOnConflict.OnProgress
) {
  const { name } = stream.definition
  const before = yield* StreamTable.compare(stream, bucket)
  if (Option.isNone(before)) {
    yield* onProgress(`creating the table ${name}`)
    yield* StreamTable.create(stream, bucket, logId)
  } else if (before.value.conflicts.length === 0) {
    const change = RetryOnConflict.make(onProgress)
    for (const { statement, what } of before.value.steps) yield* change(`${what} in the table ${name}`, statement)
  }
  const after = Option.getOrUndefined(yield* StreamTable.compare(stream, bucket))
  const open =
    after === undefined ? ["it was dropped meanwhile"] : after.steps.map(({ what }) => `${what} had no effect`)
  const conflicts = after === undefined || after.conflicts.length === 0 ? open : after.conflicts
  if (conflicts.length > 0) return yield* new TableConflict({ stream: name, conflicts })
  return Option.isNone(before) ? "created" : before.value.steps.length > 0 ? "changed" : "present"
})
