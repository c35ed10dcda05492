/**
 * Streams that are derived from other streams. The functions of a processor are plain and synchronous: without clock,
 * randomness, input or output, and without changing what they are given. Its rows are a pure function of its input.
 */
import type { Schema } from "effect"
import type { Accepted } from "./Column.ts"
import type * as Stream from "./Stream.ts"
import { type Hopping, type Length, millisOf, type Session, type Tumbling } from "./Window.ts"

export const TypeId = "~floe/Processor"
export const RekeyedTypeId = "~floe/Rekeyed"

type Fields = Schema.Struct.Fields
type Value<F extends Fields> = Schema.Struct<F>["Type"]

/** A value by which events belong together; it counts as its text. */
export type Key = string | number | bigint | boolean

/** The bounds of a window, as canonical timestamptz. */
export interface Span {
  readonly start: string
  /** The first moment after the window. */
  readonly end: string
}

type AcceptedColumns<T extends Fields> = { [N in keyof T]: T[N] extends Accepted ? N : never }[keyof T]

/** A row without the columns that Floe sets. */
type Row<T extends Fields> = Omit<Value<T>, AcceptedColumns<T>>

/** What a function gives to the output stream: a row, several, or none. */
export type Rows<T extends Fields> = Row<T> | ReadonlyArray<Row<T>> | undefined

/** A stream in the order of another key: see `rekey`. */
export interface Rekeyed<F extends Fields> {
  readonly [RekeyedTypeId]: typeof RekeyedTypeId
  readonly stream: Stream.Stream<F>
  readonly key: (event: Value<F>) => Key
}

type Source<F extends Fields> = Stream.Stream<F> | Rekeyed<F>

interface Common<T extends Fields> {
  /** The stream that gets the rows. Only this processor writes it. */
  readonly to: Stream.Stream<T>
  readonly doc?: string
  /** What happens when a function throws or its row does not fit: the processor stops (default), or keeps a dead letter and goes on. */
  readonly onError?: "stop" | "dead-letter"
}

interface Keyed<F extends Fields> {
  readonly from: Source<F>
  /** By default the key of the stream, or that of `rekey`. */
  readonly key?: (event: Value<F>) => Key
}

interface Windowed<F extends Fields, S extends Fields, T extends Fields> extends Common<T>, Keyed<F> {
  /** The event time: a timestamptz, timestamp or date in canonical text. It counts in milliseconds. */
  readonly time: (event: Value<F>) => string
  /** How far events may be behind the latest one without being late. Default 0. */
  readonly outOfOrder?: Length
  /** How long a window waits for late events after its end. Default 0. */
  readonly lateness?: Length
  /** An event that is further ahead of the time at which the server accepted it becomes a dead letter. Default 1 day. */
  readonly ahead?: Length
  /** Without events for this long, windows close by the clock, as by an event of now. Default: they stay open. */
  readonly closeWhenIdle?: Length
  /** The columns of a window's state. */
  readonly state: Schema.Struct<S>
  readonly zero: Value<S>
  readonly add: (state: Value<S>, event: Value<F>) => Value<S>
  /** The rows of a window once it is closed. */
  readonly emit: (key: string, window: Span, state: Value<S>) => Rows<T>
}

export interface WindowOptions<F extends Fields, S extends Fields, T extends Fields> extends Windowed<F, S, T> {
  readonly window: Tumbling | Hopping
}

export interface SessionOptions<F extends Fields, S extends Fields, T extends Fields> extends Windowed<F, S, T> {
  readonly window: Session
  /** The state of two sessions that an event between them joins; `a` began earlier. */
  readonly merge: (a: Value<S>, b: Value<S>) => Value<S>
}

export interface FoldOptions<F extends Fields, S extends Fields, T extends Fields> extends Common<T>, Keyed<F> {
  /** The columns of the state of a key. */
  readonly state: Schema.Struct<S>
  readonly zero: Value<S>
  /** The state after the event; undefined forgets the key. */
  readonly add: (state: Value<S>, event: Value<F>) => Value<S> | undefined
  /** The rows after each event; `state` is that after the event, or undefined if `add` forgot the key. */
  readonly emit: (key: string, state: Value<S> | undefined, event: Value<F>) => Rows<T>
}

export interface MapOptions<F extends Fields, T extends Fields> extends Common<T> {
  readonly from: Stream.Stream<F>
  readonly map: (event: Value<F>) => Rows<T>
}

export interface FilterOptions<F extends Fields> extends Common<F> {
  readonly from: Stream.Stream<F>
  readonly keep: (event: Value<F>) => boolean
}

/** A declared processor; its functions take the events that its streams declare. */
export interface Processor {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly kind: "window" | "fold" | "map" | "filter"
  readonly options: object
}

const make = (kind: Processor["kind"], name: string, options: object): Processor => ({
  [TypeId]: TypeId,
  name,
  kind,
  options
})

/** Windows of event time. Each gives its rows once, when the watermark reaches its end plus `lateness`. */
export const window: {
  <F extends Fields, S extends Fields, T extends Fields>(name: string, options: WindowOptions<F, S, T>): Processor
  <F extends Fields, S extends Fields, T extends Fields>(name: string, options: SessionOptions<F, S, T>): Processor
} = <F extends Fields, S extends Fields, T extends Fields>(name: string, options: Windowed<F, S, T>) =>
  make("window", name, {
    ...options,
    outOfOrder: millisOf(options.outOfOrder ?? 0),
    lateness: millisOf(options.lateness ?? 0),
    ahead: millisOf(options.ahead ?? "1 day"),
    ...(options.closeWhenIdle === undefined ? {} : { closeWhenIdle: millisOf(options.closeWhenIdle) })
  })

/** A state for each key, without windows; each event can give rows. */
export const fold = <F extends Fields, S extends Fields, T extends Fields>(
  name: string,
  options: FoldOptions<F, S, T>
): Processor => make("fold", name, options)

/** Rows for each event by itself. */
export const map = <F extends Fields, T extends Fields>(name: string, options: MapOptions<F, T>): Processor =>
  make("map", name, options)

/** The events for which `keep` is true. `to` has the columns of `from`. */
export const filter = <F extends Fields>(name: string, options: FilterOptions<F>): Processor =>
  make("filter", name, options)

/** The events of a stream by another key than the stream's, so that all events of that key meet. */
export const rekey = <F extends Fields>(
  stream: Stream.Stream<F>,
  key: (event: Schema.Struct<F>["Type"]) => Key
): Rekeyed<F> => ({ [RekeyedTypeId]: RekeyedTypeId, stream, key })

const has = (value: unknown, id: string) => typeof value === "object" && value !== null && id in value

export const isProcessor = (value: unknown): value is Processor => has(value, TypeId)
export const isRekeyed = (value: unknown): value is Rekeyed<Fields> => has(value, RekeyedTypeId)
