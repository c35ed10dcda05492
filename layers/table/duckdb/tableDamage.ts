/** Explains engine errors that a damaged file of the table caused: the engine names only the format, or a forbidden path. */
import { Effect } from "effect"
import { type QueryFailed, QueryUnavailable } from "../../../services/Query.ts"
import { faultOf } from "../iceberg/inspectFile.ts"
import type { TableFile } from "../iceberg/readManifests.ts"
import { rebuildOf } from "../iceberg/repairAdvice.ts"
import { pattern } from "../parquet/literals.ts"

const parquetError = /TProtocolException|TTransportException|parquet|thrift/i

interface Damage {
  readonly files: ReadonlyArray<TableFile>
  readonly sql?: string
  /** Reads a whole file: finds the damaged one if the engine does not name it. */
  readonly isReadable?: (file: TableFile) => Effect.Effect<boolean>
}

const damagedFile = Effect.fnUntraced(function* ({ files, sql = "", isReadable }: Damage, reason: string) {
  const named = files.find(({ path }) => reason.includes(path) || reason.includes(pattern(path)))
  if (named !== undefined) return sql.includes(named.path) ? undefined : named
  if (isReadable === undefined || !parquetError.test(reason) || parquetError.test(sql)) return undefined
  for (const file of files) if (!(yield* isReadable(file))) return file
  return undefined
})

/** A table's folder, in which `data` is, has the name of its stream. */
const streamOf = ({ path }: TableFile) => /.*\/([^/]+)\/data\//.exec(path)?.[1] ?? "weather"

/** Turns a failure that a damaged file caused into one that names the file and what to do. */
export const explainDamage =
  (damage: Damage) =>
  <A>(effect: Effect.Effect<A, QueryFailed>) =>
    Effect.catch(
      effect,
      Effect.fnUntraced(function* (error) {
        const file = yield* damagedFile(damage, error.message)
        if (file === undefined) return yield* error
        const fault = (yield* faultOf(file.path, file.bytes)) ?? "is damaged: its rows cannot be read"
        return yield* new QueryUnavailable({
          reason: `its data file ${file.path} ${fault}; floe doctor checks all files of the table, and ${rebuildOf(streamOf(file))} recreates the table from the log`,
          cause: error
        })
      })
    )
