/** The manifest's description of a data file that Floe has written. */
import type { ColumnStatistics, WrittenFile } from "../parquet/WrittenFile.ts"
import * as SingleValue from "../schema/singleValue.ts"
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

const boundBytes = 16

const lowerBytes = (bytes: Buffer) => bytes.subarray(0, boundBytes)

/** At most 16 bytes that are not less than `bytes`; undefined if there are none. */
const upperBytes = (bytes: Buffer) => {
  if (bytes.length <= boundBytes) return bytes
  const end = bytes.subarray(0, boundBytes).findLastIndex((byte) => byte < 0xff)
  if (end < 0) return undefined
  const upper = Buffer.from(bytes.subarray(0, end + 1))
  upper[end] = (upper[end] ?? 0) + 1
  return upper
}

const lowerOf = (value: SingleValue.Value | undefined) => {
  if (typeof value === "string") return lowerBound(value)
  return value instanceof Buffer ? lowerBytes(value) : value
}

const upperOf = (value: SingleValue.Value | undefined) => {
  if (typeof value === "string") return upperBound(value)
  return value instanceof Buffer ? upperBytes(value) : value
}

const perColumn = <A>(file: WrittenFile, value: (column: ColumnStatistics) => A | undefined) =>
  file.columns.flatMap((column) => {
    const statistic = value(column)
    return statistic === undefined ? [] : [{ key: column.id, value: statistic }]
  })

const boundsOf = ({ max, min, type }: ColumnStatistics) =>
  SingleValue.boundsOf(type, lowerOf(min), max === undefined ? undefined : upperOf(max))

export const toContentFile = (file: WrittenFile) => {
  const nans = perColumn(file, ({ type }) => (type === "float" || type === "double" ? 0 : undefined))
  return {
    content: content.data,
    file_path: file.path,
    file_format: "PARQUET",
    partition: file.partition,
    record_count: file.rows,
    file_size_in_bytes: file.bytes,
    column_sizes: perColumn(file, ({ bytes }) => bytes),
    value_counts: perColumn(file, ({ values }) => values),
    null_value_counts: perColumn(file, ({ nulls }) => nulls),
    // JSON has no NaN.
    ...(nans.length > 0 && { nan_value_counts: nans }),
    lower_bounds: perColumn(file, (column) => boundsOf(column).lower),
    upper_bounds: perColumn(file, (column) => boundsOf(column).upper),
    // DuckDB does not report where row groups start.
    split_offsets: null,
    sort_order_id: 0
  } satisfies ContentFile & Readonly<Record<string, unknown>>
}
