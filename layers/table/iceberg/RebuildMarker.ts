/** A file that marks the folder of a table made by a rebuild, and records whether the rebuild is finished. */
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { weather } from "../../../services/TableReader.ts"
import { TableBroken, type TableUnavailable } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"

/** `stream` is absent for weather. */
const State = Schema.fromJsonString(
  Schema.Struct({ logId: Schema.String, finished: Schema.Boolean, stream: Schema.optionalKey(Schema.String) })
)

export interface State {
  readonly logId: string
  readonly stream: string
  readonly finished: boolean
}

/** A name on disk: tables of older versions have it. */
const fileName = "replay.json"
const fileIn = (tableFolder: string) => join(tableFolder, fileName)

export type RebuildMarker =
  | { readonly _tag: "Nothing" }
  /** A table, or something else, that no rebuild has made. */
  | { readonly _tag: "Other" }
  | ({ readonly _tag: "Rebuilt" } & State)

export const read = Effect.fnUntraced(function* (
  tableFolder: string
): Effect.fn.Return<RebuildMarker, TableUnavailable | TableBroken> {
  const text = yield* Files.read(fileIn(tableFolder)).pipe(
    Effect.map(String),
    Effect.catchIf(Files.isMissing, () => Effect.succeed(undefined))
  )
  if (text === undefined) {
    const names = yield* Files.list(tableFolder)
    // A rebuild that was killed at its start leaves an empty folder.
    return names.some((name) => !name.endsWith(".tmp")) ? { _tag: "Other" } : { _tag: "Nothing" }
  }
  const state = yield* Schema.decodeUnknownEffect(State)(text).pipe(
    Effect.mapError(() => new TableBroken({ file: fileIn(tableFolder), reason: "cannot be read; remove the folder" }))
  )
  return { _tag: "Rebuilt", stream: weather, ...state }
})

/** The marker is durable when this returns. */
export const write = Effect.fnUntraced(function* (tableFolder: string, { finished, logId, stream }: State) {
  const file = fileIn(tableFolder)
  yield* Files.makeFolder(tableFolder)
  yield* Files.remove(`${file}.tmp`)
  yield* Files.writeNew(`${file}.tmp`, JSON.stringify({ logId, finished, ...(stream === weather ? {} : { stream }) }))
  yield* Files.renameOver(`${file}.tmp`, file)
  yield* Files.sync(tableFolder)
})
