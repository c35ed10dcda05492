/** How a table is partitioned: Iceberg's transforms of a top-level column. */
export interface Partition<Column extends string = string> {
  readonly column: Column
  readonly transform: "identity" | "year" | "month" | "day" | "hour" | "bucket" | "truncate"
  /** Of bucket and truncate. */
  readonly width?: number
}

/** A partition for each value. */
export const identity = <const C extends string>(column: C): Partition<C> => ({ column, transform: "identity" })
/** A partition for each year of a date, timestamp or timestamptz. */
export const year = <const C extends string>(column: C): Partition<C> => ({ column, transform: "year" })
/** A partition for each month of a date, timestamp or timestamptz. */
export const month = <const C extends string>(column: C): Partition<C> => ({ column, transform: "month" })
/** A partition for each day of a date, timestamp or timestamptz. */
export const day = <const C extends string>(column: C): Partition<C> => ({ column, transform: "day" })
/** A partition for each hour of a timestamp or timestamptz. */
export const hour = <const C extends string>(column: C): Partition<C> => ({ column, transform: "hour" })
/** A fixed number of partitions by the value's hash. */
export const bucket = <const C extends string>(column: C, buckets: number): Partition<C> => ({
  column,
  transform: "bucket",
  width: buckets
})
/** Numbers rounded down to a multiple of `width`; strings cut to `width` characters. */
export const truncate = <const C extends string>(column: C, width: number): Partition<C> => ({
  column,
  transform: "truncate",
  width
})
