/** What is due at a time, in the order of the times: a heap of the different times, each with its items. */
export class Deadlines<A> {
  readonly #heap: Array<number> = []
  readonly #items = new Map<number, Array<A>>()

  /** The earliest time; Infinity if there is none. */
  get next() {
    return this.#heap[0] ?? Number.POSITIVE_INFINITY
  }

  add(time: number, item: A) {
    const items = this.#items.get(time)
    if (items !== undefined) {
      items.push(item)
      return
    }
    this.#items.set(time, [item])
    this.#push(time)
  }

  /** Removes the earliest time, and returns its items. */
  take(): Array<A> {
    const time = this.#pop()
    const items = time === undefined ? undefined : this.#items.get(time)
    if (time === undefined || items === undefined) return []
    this.#items.delete(time)
    return items
  }

  #push(time: number) {
    const heap = this.#heap
    let at = heap.length
    heap.push(time)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] ?? 0
      if (above <= time) break
      heap[at] = above
      at = parent
    }
    heap[at] = time
  }

  #pop() {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= heap.length) break
      const right = left + 1
      const child = right < heap.length && (heap[right] ?? 0) < (heap[left] ?? 0) ? right : left
      const below = heap[child] ?? 0
      if (below >= last) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }
}
