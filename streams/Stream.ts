/** A stream of events of one type: what its module declares. `floe streams check` reports what is wrong with it. */
import type { Schema } from "effect"
import type { Partition } from "./Partition.ts"

export const TypeId = "~floe/Stream"

type Fields = Schema.Struct.Fields
type Name<F extends Fields> = keyof F & string

export interface Options<F extends Fields> {
  /** The columns: a `Schema.Struct` of Effect's schemas and of `Column`. */
  readonly schema: Schema.Struct<F>
  /** The column whose value keeps events in order: Kafka's key. */
  readonly key?: Name<F>
  /** Without it the table is not partitioned. */
  readonly partitionBy?: ReadonlyArray<Partition<Name<F>>>
  readonly doc?: string
  /** New name of a top-level column to the name that it had: `{ sensor: "device" }`. */
  readonly renames?: { readonly [N in Name<F>]?: string }
}

export interface Stream<F extends Fields> extends Options<F> {
  readonly [TypeId]: typeof TypeId
  readonly name: string
}

/** Declares a stream. A module exports it; its table is `default.<name>`. */
export const make = <const F extends Fields>(name: string, options: Options<F>): Stream<F> => ({
  [TypeId]: TypeId,
  name,
  ...options
})

export const isStream = (value: unknown): value is Stream<Fields> =>
  typeof value === "object" && value !== null && TypeId in value
