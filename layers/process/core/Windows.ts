/**
 * The windows of one partition of a stream. Each event is decided by itself, so what comes out depends on the order of the
 * events alone, never on how they were split into batches.
 *
 * The rule, for an event of time t and key k:
 * 1. It belongs to the windows of its key that contain t. Those that are closed do not take it; if all are, it is late. Of
 *    sessions: it joins the open ones that end after t and begin before t + gap; if there is none, it opens one, unless that
 *    would be closed already: then it is late.
 * 2. The watermark becomes the larger of itself and t − outOfOrder.
 * 3. Every window with end + lateness ≤ watermark closes: by end, then key, then start.
 */
import type { Hopping, Session, Tumbling } from "../../../streams/Window.ts"
import { compareKeys } from "./compareKeys.ts"
import { Deadlines } from "./Deadlines.ts"
import type { Out, StateCodec, StateRow, States } from "./Task.ts"

export interface WindowPlan<E, S> {
  readonly key: (event: E) => string
  /** Milliseconds since 1970. */
  readonly time: (event: E) => number
  readonly window: Tumbling | Hopping | Session
  readonly outOfOrder: number
  readonly lateness: number
  readonly zero: S
  readonly add: (state: S, event: E) => S
  /** Of sessions; `a` began earlier. */
  readonly merge: (a: S, b: S) => S
}

class OpenWindow<S> {
  readonly key: string
  start: number
  end: number
  state: S
  /** The start under which it is stored; NaN if it is not. */
  stored: number
  isDirty = false
  /** Closed, joined to another one, or no longer in memory. */
  isGone = false

  constructor(key: string, start: number, end: number, state: S, stored: number) {
    this.key = key
    this.start = start
    this.end = end
    this.state = state
    this.stored = stored
  }
}

const inOrder = <S>(a: OpenWindow<S>, b: OpenWindow<S>) => compareKeys(a.key, b.key) || a.start - b.start

export class Windows<E, S> {
  watermark = Number.NEGATIVE_INFINITY
  readonly #plan: WindowPlan<E, S>
  readonly #states: States
  readonly #codec: StateCodec<S>
  readonly #out: Out<E, S>
  readonly #maxKeys: number
  /** By key, those that were opened or loaded last at the end. Each key has all its windows, by start. */
  readonly #keys = new Map<string, Array<OpenWindow<S>>>()
  #deadlines = new Deadlines<OpenWindow<S>>()
  #dirty: Array<OpenWindow<S>> = []
  /** Whether the store may have keys that are not in memory. */
  #isPartial = false
  /** No window that only the store has ends earlier. */
  #storedNext = Number.POSITIVE_INFINITY

  constructor(plan: WindowPlan<E, S>, states: States, codec: StateCodec<S>, out: Out<E, S>, maxKeys: number) {
    this.#plan = plan
    this.#states = states
    this.#codec = codec
    this.#out = out
    this.#maxKeys = maxKeys
  }

  /** Goes on where a store was left. */
  restore(watermark: number) {
    this.watermark = watermark
    const { rows, isAll } = this.#states.some(this.#maxKeys)
    this.#isPartial = !isAll
    this.#storedNext = isAll ? Number.POSITIVE_INFINITY : this.#states.nextEnd()
    for (const row of rows) this.#keep(row)
  }

  step(event: E) {
    const plan = this.#plan
    const at = plan.time(event)
    const key = plan.key(event)
    const { window } = plan
    const isTaken =
      window.type === "session"
        ? this.#session(key, at, window.gap, event)
        : this.#fixed(key, at, window.size, window.type === "hopping" ? window.every : window.size, event)
    if (!isTaken) this.#out.late(event)
    const watermark = at - plan.outOfOrder
    if (watermark <= this.watermark) return
    this.watermark = watermark
    const due = watermark - plan.lateness
    if (this.#deadlines.next <= due || this.#storedNext <= due) this.#close(due)
  }

  /** Writes the changed windows to the store. */
  flush() {
    for (const window of this.#dirty) {
      window.isDirty = false
      if (window.isGone) continue
      const { key, start, end, stored } = window
      this.#states.put(
        { key, start, end, state: this.#codec.encode(window.state) },
        Number.isNaN(stored) ? undefined : stored
      )
      window.stored = start
    }
    this.#dirty = []
    if (this.#keys.size > this.#maxKeys) this.#evict()
  }

  /** The number of windows in memory. */
  get size() {
    return this.#keys.values().reduce((count, windows) => count + windows.length, 0)
  }

  #keep({ key, start, end, state }: StateRow) {
    const window = new OpenWindow(key, start, end, this.#codec.decode(state), start)
    const windows = this.#keys.get(key)
    if (windows === undefined) this.#keys.set(key, [window])
    else windows.push(window)
    this.#deadlines.add(end, window)
  }

  #windowsOf(key: string) {
    const windows = this.#keys.get(key)
    if (windows !== undefined || !this.#isPartial) return windows
    for (const row of this.#states.load(key)) this.#keep(row)
    return this.#keys.get(key)
  }

  #touch(window: OpenWindow<S>) {
    if (window.isDirty) return
    window.isDirty = true
    this.#dirty.push(window)
  }

  #open(windows: Array<OpenWindow<S>> | undefined, window: OpenWindow<S>) {
    if (windows === undefined) this.#keys.set(window.key, [window])
    else {
      let at = windows.length
      while (at > 0 && (windows[at - 1]?.start ?? 0) > window.start) at--
      if (at === windows.length) windows.push(window)
      else windows.splice(at, 0, window)
    }
    this.#deadlines.add(window.end, window)
    this.#touch(window)
  }

  #fixed(key: string, at: number, size: number, every: number, event: E) {
    const { add, lateness, zero } = this.#plan
    // The windows that contain the event begin in (at − size, at], the open ones after `closed`.
    const last = Math.floor(at / every) * every
    const closed = this.watermark - lateness - size
    if (last <= closed) return false
    const windows = this.#windowsOf(key)
    const from = Math.max(at - size, closed)
    if (last - every <= from) {
      this.#change(windows, key, last, last + size, event)
      return true
    }
    // All states first, so that a function that throws changes none.
    const changes: Array<{ start: number; window: OpenWindow<S> | undefined; state: S }> = []
    for (let start = last; start > from; start -= every) {
      const window = find(windows, start)
      changes.push({ start, window, state: add(window === undefined ? zero : window.state, event) })
    }
    for (let i = changes.length - 1; i >= 0; i--) {
      const change = changes[i]
      if (change === undefined) continue
      const { start, state, window } = change
      if (window === undefined) {
        this.#open(this.#keys.get(key), new OpenWindow(key, start, start + size, state, Number.NaN))
      } else {
        window.state = state
        this.#touch(window)
      }
    }
    return true
  }

  #change(windows: Array<OpenWindow<S>> | undefined, key: string, start: number, end: number, event: E) {
    const { add, zero } = this.#plan
    const window = find(windows, start)
    if (window === undefined) {
      this.#open(windows, new OpenWindow(key, start, end, add(zero, event), Number.NaN))
      return
    }
    window.state = add(window.state, event)
    this.#touch(window)
  }

  #session(key: string, at: number, gap: number, event: E) {
    const { add, lateness, merge, zero } = this.#plan
    const windows = this.#windowsOf(key)
    let first: OpenWindow<S> | undefined
    let second: OpenWindow<S> | undefined
    // At most two: sessions of a key do not overlap, and each is at least as long as the gap.
    if (windows !== undefined) {
      for (const window of windows) {
        if (window.start >= at + gap) break
        if (window.end <= at) continue
        if (first === undefined) first = window
        else second = window
      }
    }
    if (first === undefined) {
      if (at + gap + lateness <= this.watermark) return false
      this.#open(windows, new OpenWindow(key, at, at + gap, add(zero, event), Number.NaN))
      return true
    }
    const added = add(first.state, event)
    first.state = second === undefined ? added : merge(added, second.state)
    if (at < first.start) first.start = at
    // It stays at its earlier deadline, and is put off when that comes.
    if (at + gap > first.end) first.end = at + gap
    this.#touch(first)
    if (second !== undefined && windows !== undefined) {
      first.end = Math.max(first.end, second.end)
      this.#drop(second)
      windows.splice(windows.indexOf(second), 1)
    }
    return true
  }

  #drop(window: OpenWindow<S>) {
    window.isGone = true
    if (!Number.isNaN(window.stored)) this.#states.remove(window.key, window.stored)
  }

  #close(due: number) {
    for (;;) {
      const end = Math.min(this.#deadlines.next, this.#storedNext)
      if (end > due) return
      const first = this.#takeReady(end)
      // Of sessions mostly one ends at a time.
      if (first !== undefined && this.#storedNext > end && this.#deadlines.next > end) {
        this.#emit(first)
        this.#forget(first)
        continue
      }
      const ready = first === undefined ? [] : [first]
      for (let next = this.#takeReady(end); next !== undefined; next = this.#takeReady(end)) ready.push(next)
      if (ready.length > 1) ready.sort(inOrder)
      if (this.#storedNext === end) this.#closeStored(end, ready)
      else for (const window of ready) this.#emit(window)
      for (const window of ready) this.#forget(window)
    }
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
      this.#out.closed(row.key, row.start, end, this.#codec.decode(row.state))
    }
    for (const window of ready.slice(next)) this.#emit(window)
    this.#states.removeEnd(end)
    this.#storedNext = this.#states.nextEnd()
  }

  #emit({ key, start, end, state }: OpenWindow<S>) {
    this.#out.closed(key, start, end, state)
  }

  #forget(window: OpenWindow<S>) {
    this.#drop(window)
    const windows = this.#keys.get(window.key)
    if (windows === undefined) return
    if (windows.length === 1) this.#keys.delete(window.key)
    else windows.splice(windows.indexOf(window), 1)
  }

  /** The keys that have been in memory longest leave it. Nothing is dirty then. */
  #evict() {
    const kept = Math.floor(this.#maxKeys * 0.8)
    for (const key of this.#keys.keys()) {
      if (this.#keys.size <= kept) break
      this.#keys.delete(key)
    }
    this.#isPartial = true
    this.#storedNext = this.#states.nextEnd()
    this.#deadlines = new Deadlines()
    for (const windows of this.#keys.values()) for (const window of windows) this.#deadlines.add(window.end, window)
  }
}

const find = <S>(windows: ReadonlyArray<OpenWindow<S>> | undefined, start: number) => {
  if (windows === undefined) return undefined
  for (const window of windows) if (window.start === start) return window
  return undefined
}
