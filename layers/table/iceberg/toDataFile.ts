/** What a manifest says of a data file, from what was written. */
import type { ColumnStatistics, WrittenFile } from "../parquet/ParquetWriter.ts"
import { content, type DataFile } from "./Manifest.ts"

/** Bounds longer than this many code points are cut, as Iceberg's own writers do. */
const boundLength = 16

const next = (codePoint: number) => (codePoint === 0xd7ff ? 0xe000 : codePoint + 1)

/** At most all values that are at least `text`, by the bytes of UTF-8. */
export const lowerBound = (text: string) => [...text].slice(0, boundLength).join("")

/** At least all values that are at most `text`; undefined if there is no short one. */
export const upperBound = (text: string) => {
  const points = [...text]
  if (points.length <= boundLength) return text
  for (let end = boundLength; end > 0; end--) {
    const last = points[end - 1]?.codePointAt(0) ?? 0x10ffff
    if (last < 0x10ffff) return points.slice(0, end - 1).join("") + String.fromCodePoint(next(last))
  }
  return undefined
}

const perColumn = <A>(file: WrittenFile, value: (column: ColumnStatistics) => A | undefined) =>
  file.columns.flatMap((column, i) => {
    const found = value(column)
    return found === undefined ? [] : [{ key: i + 1, value: found }]
  })

/** Not from Node's pool: entries live long, and each would keep a whole slab of it. */
const bytesOf = (text: string | undefined) => {
  if (text === undefined) return undefined
  const bytes = Buffer.alloc(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

export const toDataFile = (file: WrittenFile) =>
  ({
    content: content.data,
    file_path: file.path,
    file_format: "PARQUET",
    partition: { ts: file.ts },
    record_count: file.rows,
    file_size_in_bytes: file.bytes,
    column_sizes: perColumn(file, ({ bytes }) => bytes),
    value_counts: perColumn(file, ({ values }) => values),
    null_value_counts: perColumn(file, ({ nulls }) => nulls),
    lower_bounds: perColumn(file, ({ min }) => bytesOf(min === undefined ? undefined : lowerBound(min))),
    upper_bounds: perColumn(file, ({ max }) => bytesOf(max === undefined ? undefined : upperBound(max))),
    // DuckDB does not tell where row groups start.
    split_offsets: null,
    sort_order_id: 0
  }) satisfies DataFile & Readonly<Record<string, unknown>>
