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
import { find, OpenWindow } from "./OpenWindow.ts"
import { OpenWindows } from "./OpenWindows.ts"
import type { Out, Room, StateCodec, States } from "./Task.ts"

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

export class Windows<E, S> {
  watermark = Number.NEGATIVE_INFINITY
  readonly #plan: WindowPlan<E, S>
  readonly #windows: OpenWindows<S>
  readonly #out: Out<E, S>

  constructor(plan: WindowPlan<E, S>, states: States, codec: StateCodec<S>, out: Out<E, S>, room: Room) {
    this.#plan = plan
    this.#windows = new OpenWindows(states, codec, out.closed, room)
    this.#out = out
  }

  /** Goes on where a store was left. */
  restore(watermark: number) {
    this.watermark = watermark
    this.#windows.restore()
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
    this.tick(at)
  }

  /** Closes windows as an event of that time does, which belongs to no key. */
  tick(at: number) {
    const { lateness, outOfOrder } = this.#plan
    const watermark = at - outOfOrder
    if (watermark <= this.watermark) return
    this.watermark = watermark
    this.#windows.close(watermark - lateness)
  }

  /** Whether a tick of that time may close a window. */
  isDue(at: number) {
    const { lateness, outOfOrder } = this.#plan
    return this.#windows.nextEnd <= at - outOfOrder - lateness
  }

  /** Writes the changed windows to the store. */
  flush() {
    this.#windows.flush()
  }

  /** The number of windows in memory. */
  get size() {
    return this.#windows.size
  }

  #fixed(key: string, at: number, size: number, every: number, event: E) {
    const { add, lateness, zero } = this.#plan
    // The windows that contain the event begin in (at − size, at], the open ones after `closed`.
    const last = Math.floor(at / every) * every
    const closed = this.watermark - lateness - size
    if (last <= closed) return false
    const windows = this.#windows.of(key)
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
        this.#windows.open(this.#windows.of(key), new OpenWindow(key, start, start + size, state, Number.NaN))
      } else {
        window.state = state
        this.#windows.touch(window)
      }
    }
    return true
  }

  #change(windows: Array<OpenWindow<S>> | undefined, key: string, start: number, end: number, event: E) {
    const { add, zero } = this.#plan
    const window = find(windows, start)
    if (window === undefined) {
      this.#windows.open(windows, new OpenWindow(key, start, end, add(zero, event), Number.NaN))
      return
    }
    window.state = add(window.state, event)
    this.#windows.touch(window)
  }

  #session(key: string, at: number, gap: number, event: E) {
    const { add, lateness, merge, zero } = this.#plan
    const windows = this.#windows.of(key)
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
      this.#windows.open(windows, new OpenWindow(key, at, at + gap, add(zero, event), Number.NaN))
      return true
    }
    const added = add(first.state, event)
    first.state = second === undefined ? added : merge(added, second.state)
    if (at < first.start) first.start = at
    if (at + gap > first.end) first.end = at + gap
    this.#windows.touch(first)
    if (second !== undefined && windows !== undefined) {
      first.end = Math.max(first.end, second.end)
      this.#windows.remove(second, windows)
    }
    return true
  }
}
