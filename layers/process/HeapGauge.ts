/** Says when so much is in memory that changed states have to be written before their batch is full. */
import { getHeapStatistics } from "node:v8"

/** A part of the 512 MiB that processors have. */
const tight = 256 * 1024 * 1024
/** Calls between looks, and milliseconds: a look takes some microseconds. */
const everyCalls = 8
const everyMillis = 5

export class HeapGauge {
  #calls = 0
  #lookedAt = 0

  /** To be called after each event. */
  isTight() {
    if (++this.#calls < everyCalls) return false
    this.#calls = 0
    const now = performance.now()
    if (now - this.#lookedAt < everyMillis) return false
    this.#lookedAt = now
    return getHeapStatistics().used_heap_size > tight
  }
}
