/** The manifest's description of a data file that Floe has written. */
import type { ColumnStatistics, WrittenFile } from "../parquet/WrittenFile.ts"
import { type ContentFile, content } from "./Manifest.ts"

/** Bounds longer than this many code points are truncated, as Iceberg's own writers do. */
const boundLength = 16

const next = (codePoint: number) => (codePoint === 0xd7ff ? 0xe000 : codePoint + 1)

/** A text of at most 16 code points that is not greater than `text`, in UTF-8 order. */
export const lowerBound = (text: string) => [...text].slice(0, boundLength).join("")

/** A text of at most 16 code points that is not less than `text`, in UTF-8 order; undefined if there is none. */
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
    const statistic = value(column)
    return statistic === undefined ? [] : [{ key: i + 1, value: statistic }]
  })

/** Not from Node's pool: entries live long, and each would keep a whole slab of the pool alive. */
const bytesOf = (text: string | undefined) => {
  if (text === undefined) return undefined
  const bytes = Buffer.alloc(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

export const toContentFile = (file: WrittenFile) =>
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
    // DuckDB does not report where row groups start.
    split_offsets: null,
    sort_order_id: 0
  }) satisfies ContentFile & Readonly<Record<string, unknown>>
