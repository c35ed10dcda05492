/** What is due at a time, earliest first: a binary heap in two arrays. */
export class Deadlines<A> {
  readonly #times: Array<number> = []
  readonly #items: Array<A> = []

  /** The earliest time; Infinity if there is none. */
  get next() {
    return this.#times[0] ?? Number.POSITIVE_INFINITY
  }

  add(time: number, item: A) {
    const times = this.#times
    const items = this.#items
    let at = times.length
    times.push(time)
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = times[parent] ?? 0
      if (above <= time) break
      times[at] = above
      items[at] = items[parent] ?? item
      at = parent
    }
    times[at] = time
    items[at] = item
  }

  /** Removes the earliest item; of several at that time, any one. */
  take(): A | undefined {
    const times = this.#times
    const items = this.#items
    const first = items[0]
    const time = times.pop()
    const item = items.pop()
    const { length } = times
    if (time === undefined || item === undefined || length === 0) return first
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= length) break
      const right = left + 1
      const child = right < length && (times[right] ?? 0) < (times[left] ?? 0) ? right : left
      const below = times[child] ?? 0
      if (below >= time) break
      times[at] = below
      items[at] = items[child] ?? item
      at = child
    }
    times[at] = time
    items[at] = item
    return first
  }
}
