/** The windows that have not closed: in a store, and those of the keys that were used last in memory. */
import { compareKeys } from "./compareKeys.ts"
import { Deadlines } from "./Deadlines.ts"
import { inOrder, OpenWindow } from "./OpenWindow.ts"
import { keptShare, type Out, type Room, type StateCodec, type StateRow, type States } from "./Task.ts"

type Closed<S> = Out<never, S>["closed"]

export class OpenWindows<S> {
  readonly #states: States
  readonly #codec: StateCodec<S>
  readonly #closed: Closed<S>
  readonly #room: Room
  /** By key, those that were opened or loaded last at the end. Each key has all its windows, by start. */
  readonly #keys = new Map<string, Array<OpenWindow<S>>>()
  #deadlines = new Deadlines<OpenWindow<S>>()
  #dirty: Array<OpenWindow<S>> = []
  /** Of the states in memory, as they are stored. */
  #length = 0
  /** Whether the store may have keys that are not in memory. */
  #isPartial = false
  /** No window that only the store has ends earlier. */
  #storedNext = Number.POSITIVE_INFINITY

  constructor(states: States, codec: StateCodec<S>, closed: Closed<S>, room: Room) {
    this.#states = states
    this.#codec = codec
    this.#closed = closed
    this.#room = room
  }

  /** Goes on where a store was left. */
  restore() {
    const { rows, isAll } = this.#states.some(this.#room.keys, this.#room.length)
    this.#isPartial = !isAll
    this.#storedNext = isAll ? Number.POSITIVE_INFINITY : this.#states.nextEnd()
    for (const row of rows) this.#keep(row)
  }

  /** The number of windows in memory. */
  get size() {
    return this.#keys.values().reduce((count, windows) => count + windows.length, 0)
  }

  /** The windows of a key by start. */
  of(key: string) {
    const windows = this.#keys.get(key)
    if (windows !== undefined || !this.#isPartial) return windows
    for (const row of this.#states.load(key)) this.#keep(row)
    return this.#keys.get(key)
  }

  /** Adds a window to those of its key. */
  open(windows: Array<OpenWindow<S>> | undefined, window: OpenWindow<S>) {
    if (windows === undefined) this.#keys.set(window.key, [window])
    else {
      let at = windows.length
      while (at > 0 && (windows[at - 1]?.start ?? 0) > window.start) at--
      if (at === windows.length) windows.push(window)
      else windows.splice(at, 0, window)
    }
    this.#deadlines.add(window.end, window)
    this.touch(window)
  }

  /** A window has changed. Extended, it stays at its earlier deadline, and is put off when that comes. */
  touch(window: OpenWindow<S>) {
    if (window.isDirty) return
    window.isDirty = true
    this.#dirty.push(window)
  }

  /** Forgets a window that is part of another one now. */
  remove(window: OpenWindow<S>, windows: Array<OpenWindow<S>>) {
    this.#drop(window)
    windows.splice(windows.indexOf(window), 1)
  }

  /** No window ends earlier; Infinity if none is open. */
  get nextEnd() {
    return Math.min(this.#deadlines.next, this.#storedNext)
  }

  /** Closes every window that ends at `due` or earlier. */
  close(due: number) {
    while (this.nextEnd <= due) this.#closeNext()
  }

  /** Writes the changed windows to the store. */
  flush() {
    // Taken one by one, so that the memory of those that are unloaded is free.
    const dirty = this.#dirty.reverse()
    this.#dirty = []
    for (let window = dirty.pop(); window !== undefined; window = dirty.pop()) {
      window.isDirty = false
      if (window.isGone) continue
      const { key, start, end, stored } = window
      const state = this.#codec.encode(window.state, key)
      this.#states.put({ key, start, end, state }, Number.isNaN(stored) ? undefined : stored)
      this.#measure(window, state.length)
      window.stored = start
      // A string that was concatenated takes its memory only once it is encoded, so the end would be too late.
      if (this.#length > this.#room.length) this.#evict()
    }
    if (this.#keys.size > this.#room.keys || this.#length > this.#room.length) this.#evict()
  }

  #measure(window: OpenWindow<S>, length: number) {
    this.#length += length - window.length
    window.length = length
  }

  #keep({ key, start, end, state }: StateRow) {
    const window = new OpenWindow(key, start, end, this.#codec.decode(state), start)
    this.#measure(window, state.length)
    const windows = this.#keys.get(key)
    if (windows === undefined) this.#keys.set(key, [window])
    else windows.push(window)
    this.#deadlines.add(end, window)
  }

  #drop(window: OpenWindow<S>) {
    window.isGone = true
    this.#measure(window, 0)
    if (!Number.isNaN(window.stored)) this.#states.remove(window.key, window.stored)
  }

  #closeNext() {
    const end = this.nextEnd
    const first = this.#takeReady(end)
    // Of sessions mostly one ends at a time.
    if (first !== undefined && this.#storedNext > end && this.#deadlines.next > end) {
      this.#emit(first)
      this.#forget(first)
      return
    }
    const ready = first === undefined ? [] : [first]
    for (let next = this.#takeReady(end); next !== undefined; next = this.#takeReady(end)) ready.push(next)
    if (ready.length > 1) ready.sort(inOrder)
    if (this.#storedNext === end) this.#closeStored(end, ready)
    else for (const window of ready) this.#emit(window)
    for (const window of ready) this.#forget(window)
  }

  /** A window that ends at this time, the earliest one; puts off those that were extended since. */
  #takeReady(end: number) {
    while (this.#deadlines.next === end) {
      const window = this.#deadlines.take()
      if (window === undefined || window.isGone) continue
      if (window.end === end) return window
      this.#deadlines.add(window.end, window)
    }
    return undefined
  }

  /** Closes what only the store has, in order with the windows in memory. */
  #closeStored(end: number, ready: ReadonlyArray<OpenWindow<S>>) {
    let next = 0
    for (const row of this.#states.due(end)) {
      // Of a key in memory, the window in memory is the newer one.
      if (this.#keys.has(row.key)) continue
      for (
        let window = ready[next];
        window !== undefined && compareKeys(window.key, row.key) < 0;
        window = ready[next]
      ) {
        this.#emit(window)
        next++
      }
      this.#closed(row.key, row.start, end, this.#codec.decode(row.state))
    }
    for (const window of ready.slice(next)) this.#emit(window)
    this.#states.removeEnd(end)
    this.#storedNext = this.#states.nextEnd()
  }

  #emit({ key, start, end, state }: OpenWindow<S>) {
    this.#closed(key, start, end, state)
  }

  #forget(window: OpenWindow<S>) {
    this.#drop(window)
    const windows = this.#keys.get(window.key)
    if (windows === undefined) return
    if (windows.length === 1) this.#keys.delete(window.key)
    else windows.splice(windows.indexOf(window), 1)
  }

  /** The keys that have been in memory longest leave it, but those with windows that the store does not have as they are. */
  #evict() {
    const most = Math.floor(this.#room.keys * keptShare)
    for (const [key, windows] of this.#keys) {
      if (this.#keys.size <= most && this.#length <= this.#room.length * keptShare) break
      if (windows.some(({ isDirty }) => isDirty)) continue
      for (const window of windows) this.#measure(window, 0)
      this.#keys.delete(key)
    }
    this.#isPartial = true
    this.#storedNext = this.#states.nextEnd()
    this.#deadlines = new Deadlines()
    for (const windows of this.#keys.values()) for (const window of windows) this.#deadlines.add(window.end, window)
  }
}
