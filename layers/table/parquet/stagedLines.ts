/** Events, staged as lines of JSON in a file. */
import { type FileHandle, mkdir, open, rm } from "node:fs/promises"
import { join } from "node:path"
import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect, Schema } from "effect"
import type { LogRecord } from "../../../services/EventLog.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { countPartitions, inParts, readLines } from "./linesSql.ts"
import type { Staging } from "./Staging.ts"
import { execute, unavailable } from "./statements.ts"

export interface StagedLinesOptions {
  readonly connection: DuckDBConnection
  readonly tempFolder: string
  /** Part of the file's name. */
  readonly name: string
  readonly maxPartitions: number
}

/** DuckDB reads in buffers of twice this, and rejects a longer line. */
const minLineLimit = 1024 * 1024

const decodeCount = Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct({ partitions: Schema.Int })]))

const writeAll = async (file: FileHandle, bytes: Buffer, position: number) => {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}

/** The file is removed when the scope closes. */
export const make = Effect.fnUntraced(function* (options: StagedLinesOptions) {
  const { connection, maxPartitions, tempFolder } = options
  const path = join(tempFolder, `${options.name}.ndjson`)
  let file: FileHandle | undefined
  let rows = 0
  let bytes = 0
  let longest = 0
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      await file?.close().catch(() => undefined)
      await rm(path, { force: true }).catch(() => undefined)
    })
  )

  const append = async (records: ReadonlyArray<LogRecord>) => {
    let most = 0
    const lines = records.map((record) => {
      const line = typeof record === "string" ? record : JSON.stringify(record)
      most = Math.max(most, line.length)
      return line
    })
    if (file === undefined) {
      await mkdir(tempFolder, { recursive: true })
      file = await open(path, "w")
    }
    const all = Buffer.from(`${lines.join("\n")}\n`)
    // Some of these lines, if not all were written, are overwritten by the next ones or cut off.
    await writeAll(file, all, bytes)
    rows += records.length
    bytes += all.length
    // A UTF-16 code unit takes at most three bytes, but no line takes more than all of them.
    longest = Math.max(longest, Math.min(most * 3, all.length))
  }

  const sources = Effect.fnUntraced(function* (spec: TableSpec) {
    const operation = "writing Parquet files"
    yield* Effect.tryPromise({ try: () => file?.truncate(bytes) ?? Promise.resolve(), catch: unavailable(operation) })
    const source = readLines(spec, path, Math.max(minLineLimit, longest))
    if (spec.partitions.length === 0) return [source]
    const counted = yield* execute(connection, operation, countPartitions(spec, source))
    const [{ partitions }] = yield* Effect.mapError(decodeCount(counted), unavailable(operation))
    return partitions <= maxPartitions ? [source] : inParts(spec, source, Math.ceil((partitions * 1.5) / maxPartitions))
  })

  const staging: Staging = {
    append,
    staged: () => ({ rows, bytes }),
    sources,
    clear: (operation) =>
      Effect.tryPromise({
        try: async () => {
          await file?.truncate(0)
          rows = 0
          bytes = 0
          longest = 0
        },
        catch: unavailable(operation)
      })
  }
  return staging
})
