/** The progress of sending a file, kept in a small file beside it. */
import { readFile, rename, writeFile } from "node:fs/promises"
import { Effect, Option, Schema } from "effect"
import { reasonOf } from "./Source.ts"

export const SendState = Schema.Struct({
  format: Schema.Literal(1),
  target: Schema.String,
  /** Part of every key; a new one each time the same file is sent again on purpose. */
  round: Schema.String,
  /** The last batch that was started: its byte range in the file (`end` exclusive), and a digest of the file up to `end`. */
  from: Schema.Int,
  end: Schema.Int,
  digest: Schema.String,
  /** Whether the server acknowledged it. */
  acknowledged: Schema.Boolean,
  /** When it was started, in milliseconds since 1970. */
  at: Schema.Int,
  /** Totals before this batch, or with it if acknowledged: logged records, rejected lines, bytes of the report. */
  logged: Schema.Int,
  rejected: Schema.Int,
  reportBytes: Schema.Int
}).pipe(Schema.encodeKeys({ rejected: "refused" }))
export type SendState = typeof SendState.Type

const Json = Schema.fromJsonString(SendState)

export class StateUnusable extends Schema.TaggedError<StateUnusable>()("StateUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}, which records how far the file was sent, cannot be used: ${this.reason}.`
  }
}

const pathOf = (file: string) => `${file}.floe-send.json`

/** None if the file was never sent. */
export const read = Effect.fnUntraced(function* (file: string) {
  const path = pathOf(file)
  const text = yield* Effect.tryPromise({
    try: async () => {
      try {
        return await readFile(path, "utf8")
      } catch (cause) {
        if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined
        throw cause
      }
    },
    catch: (cause) => new StateUnusable({ path, reason: reasonOf(cause) })
  })
  if (text === undefined) return Option.none<SendState>()
  return yield* Schema.decodeUnknownEffect(Json)(text).pipe(
    Effect.map(Option.some),
    Effect.mapError(
      () => new StateUnusable({ path, reason: "it is damaged; remove it to send the file from its beginning" })
    )
  )
})

/** Not synced: an older state after a power loss only resends batches under the same keys. */
export const write = Effect.fnUntraced(function* (file: string, state: SendState) {
  const path = pathOf(file)
  yield* Effect.tryPromise({
    try: async () => {
      await writeFile(`${path}.tmp`, Schema.encodeSync(Json)(state))
      await rename(`${path}.tmp`, path)
    },
    catch: (cause) => new StateUnusable({ path, reason: reasonOf(cause) })
  })
})
