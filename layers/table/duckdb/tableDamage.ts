/** Where the engine stumbles over a file of the table, its own words are of a format, or of a path that it may not read. */
import { Effect } from "effect"
import { type QueryFailed, QueryUnavailable } from "../../../services/Query.ts"
import { faultOf } from "../iceberg/inspectFile.ts"
import type { TableFile } from "../iceberg/readTable.ts"
import { rebuildCommand } from "../iceberg/rebuildAdvice.ts"
import { pattern } from "../parquet/literals.ts"

/** Words of the Parquet reader that may come without a file's name. */
const isOfParquet = /TProtocolException|TTransportException|parquet|thrift/i

interface Damage {
  readonly files: ReadonlyArray<TableFile>
  readonly sql?: string
  /** Reads the whole file, to find the one that has no name in the engine's words. */
  readonly isReadable?: (file: TableFile) => Effect.Effect<boolean>
}

const damagedFile = Effect.fnUntraced(function* ({ files, sql = "", isReadable }: Damage, reason: string) {
  const named = files.find(({ path }) => reason.includes(path) || reason.includes(pattern(path)))
  if (named !== undefined) return sql.includes(named.path) ? undefined : named
  if (isReadable === undefined || !isOfParquet.test(reason) || isOfParquet.test(sql)) return undefined
  for (const file of files) if (!(yield* isReadable(file))) return file
  return undefined
})

/** Turns a failure that a damaged file has caused into one that names the file and what to do. */
export const explainDamage =
  (damage: Damage) =>
  <A>(effect: Effect.Effect<A, QueryFailed>) =>
    Effect.catch(
      effect,
      Effect.fnUntraced(function* (error) {
        const file = yield* damagedFile(damage, error.reason)
        if (file === undefined) return yield* error
        const fault = (yield* faultOf(file.path, file.bytes)) ?? "is damaged: its rows cannot be read"
        return yield* new QueryUnavailable({
          reason: `its data file ${file.path} ${fault}; floe doctor looks at all of them, and ${rebuildCommand} makes the table again from the log`,
          cause: error
        })
      })
    )
