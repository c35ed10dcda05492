/** What the kinds of processors have in common: a state for each key and window, kept in a store and partly in memory. */

/** A window of a key, as a store keeps it. A fold's has start and end 0. */
export interface StateRow {
  readonly key: string
  /** Milliseconds since 1970. */
  readonly start: number
  readonly end: number
  /** Canonical JSON. */
  readonly state: string
}

/** The stored windows. All calls belong to the transaction of the batch that is being processed. */
export interface States {
  /** Puts a window in place of the one that began at `replaced`, if there was one. */
  readonly put: (row: StateRow, replaced: number | undefined) => void
  readonly remove: (key: string, start: number) => void
  /** The windows of a key by their start. */
  readonly load: (key: string) => ReadonlyArray<StateRow>
  /** At most `limit` windows, of about `maxLength` characters, with all windows of their keys, and whether they are all there are. */
  readonly some: (
    limit: number,
    maxLength: number
  ) => { readonly rows: ReadonlyArray<StateRow>; readonly isAll: boolean }
  /** The earliest end of a stored window; Infinity if there is none. */
  readonly nextEnd: () => number
  /** The stored windows with this end, in the order of keys and starts. Only `row` and `late` are called meanwhile. */
  readonly due: (end: number) => Iterable<StateRow>
  readonly removeEnd: (end: number) => void
}

/** How states become text and come back. */
export interface StateCodec<S> {
  /** Throws an error that names the key if the state does not fit its columns. */
  readonly encode: (state: S, key: string) => string
  readonly decode: (text: string) => S
}

/** What a task gives out, in order. */
export interface Out<E, S> {
  /** A window that closed; of a fold, the state after an event. */
  readonly closed: (key: string, start: number, end: number, state: S) => void
  readonly late: (event: E) => void
}

/** The most that is kept in memory between batches. */
export interface Room {
  readonly keys: number
  /** Characters of the JSON of their states, which take some times as much memory as values. */
  readonly length: number
}

export const defaultRoom: Room = { keys: 100_000, length: 32 * 1024 * 1024 }
/** Of a processor that runs once for each of so many partitions, in one process. */
export const roomOf = (partitions: number): Room => ({
  keys: Math.max(1_000, Math.floor(defaultRoom.keys / partitions)),
  length: Math.max(1024 * 1024, Math.floor(defaultRoom.length / partitions))
})
/** What is kept when there was too much: a share of each limit. */
export const keptShare = 0.8
