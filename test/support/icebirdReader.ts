/** An independent reader of Iceberg tables (icebird), with a `fetch` that reads local files. */
import { readFileSync } from "node:fs"
import { Effect, Schema } from "effect"
import { icebergRead } from "icebird"
import { WeatherRecord } from "../../services/Weather.ts"

const byteRange = /^bytes=(\d+)-(\d*)$/

const localFetch = async (input: string | URL | Request, init?: RequestInit) => {
  const path = input instanceof Request ? input.url : String(input)
  const bytes = readFileSync(path)
  const range = byteRange.exec(new Headers(init?.headers).get("range") ?? "")
  if (range === null) return new Response(bytes)
  const end = range[2] ? Number(range[2]) + 1 : bytes.length
  return new Response(bytes.subarray(Number(range[1]), end), { status: 206 })
}

const decodeRecords = Schema.decodeUnknownSync(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))
const decodeRows = Schema.decodeUnknownSync(Schema.Array(WeatherRecord))

const readAll = async (tableFolder: string, metadataFileName: string | undefined, snapshotId: string | undefined) => {
  const fetched = globalThis.fetch
  globalThis.fetch = localFetch
  try {
    const { icebergMetadata } = await import("icebird")
    const metadata = await icebergMetadata({
      tableUrl: tableFolder,
      ...(metadataFileName !== undefined && { metadataFileName })
    })
    const chosen = snapshotId === undefined ? metadata : { ...metadata, "current-snapshot-id": Number(snapshotId) }
    return await icebergRead({ tableUrl: tableFolder, metadata: chosen })
  } finally {
    globalThis.fetch = fetched
  }
}

/** All rows of any table, as icebird gives their values. */
export const icebirdValues = (
  tableFolder: string,
  options: { readonly metadataFileName?: string; readonly snapshotId?: string } = {}
): Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  Effect.promise(async () => decodeRecords(await readAll(tableFolder, options.metadataFileName, options.snapshotId)))

/** All rows of the table, at the version in its hint or `metadataFileName`, and at that version's current snapshot or `snapshotId`. */
export const icebirdRows = (
  tableFolder: string,
  options: { readonly metadataFileName?: string; readonly snapshotId?: string } = {}
) => Effect.map(icebirdValues(tableFolder, options), decodeRows)

/** Rows as strings, in a stable order. */
export const sorted = (rows: ReadonlyArray<WeatherRecord>) =>
  rows.map(({ ts, city, temperature }) => JSON.stringify([ts, city, temperature])).sort()
