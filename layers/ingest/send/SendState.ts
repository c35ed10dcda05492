/** What is known of a file that is being sent, in a small file beside it. */
import { readFile, rename, writeFile } from "node:fs/promises"
import { Effect, Option, Schema } from "effect"
import { reasonOf } from "./Source.ts"

export const SendState = Schema.Struct({
  format: Schema.Literal(1),
  target: Schema.String,
  /** Part of every key: another one for each time that the same file is sent on purpose. */
  round: Schema.String,
  /** The last batch that was begun: from where to before where in the file, and a digest of all before its end. */
  from: Schema.Int,
  end: Schema.Int,
  digest: Schema.String,
  /** Whether the server has acknowledged it. */
  acknowledged: Schema.Boolean,
  /** Milliseconds since 1970, when it was begun. */
  at: Schema.Int,
  /** Before this batch, or with it if it is acknowledged: records logged, and lines and bytes of the report of refused ones. */
  logged: Schema.Int,
  refused: Schema.Int,
  reportBytes: Schema.Int
})
export type SendState = typeof SendState.Type

const Json = Schema.fromJsonString(SendState)

export class StateUnusable extends Schema.TaggedError<StateUnusable>()("StateUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}, which notes how far the file was sent, cannot be used: ${this.reason}.`
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
      () => new StateUnusable({ path, reason: "it is damaged; remove it, and the file is sent from its beginning" })
    )
  )
})

/** Not synced: an older state after a loss of power only makes batches be sent again, under the keys that they had. */
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
