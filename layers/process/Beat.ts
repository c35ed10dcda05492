/** Memory that a processor's process shares with the thread that watches it: what it does now, and that it goes on. */

/** Milliseconds that a function may take. */
export const longestCall = 10_000

/** Keeps which processor works, from which offset on, where that outlives this process; undefined for none. */
export type Note = (working: { slot: number; partition: number; offset: number } | undefined) => void

const none = -1
const [slotAt, offsetAt, countAt, busyAt, partitionAt] = [0, 1, 2, 3, 4]

export class Beat {
  readonly shared: SharedArrayBuffer
  readonly #cells: Float64Array
  readonly #note: Note
  #noted = none

  constructor(shared = new SharedArrayBuffer(5 * Float64Array.BYTES_PER_ELEMENT), note: Note = () => {}) {
    this.shared = shared
    this.#note = note
    this.#cells = new Float64Array(shared)
  }

  /** Runs what calls functions of the processor with this index. */
  during(slot: number, run: () => void, partition = 0) {
    this.#cells[slotAt] = slot
    this.#cells[partitionAt] = partition
    this.#cells[busyAt] = 1
    try {
      run()
    } finally {
      this.#cells[busyAt] = 0
    }
  }

  /** The functions are called for an event. */
  event(offset: number, partition?: number) {
    if (partition !== undefined) this.#cells[partitionAt] = partition
    this.#cells[offsetAt] = offset
    this.step()
    if (this.#noted !== this.#cells[slotAt]) this.#noteWorking()
  }

  /** Work for the processor with this index begins or goes on, whatever ends this process until `rests`. */
  works(slot: number, partition = 0) {
    this.#cells[slotAt] = slot
    this.#cells[partitionAt] = partition
    if (this.#noted !== slot) this.#noteWorking()
  }

  /** No processor is at work. */
  rests() {
    this.#cells[slotAt] = none
    if (this.#noted === none) return
    this.#noted = none
    this.#note(undefined)
  }

  #noteWorking() {
    const { offset, partition, slot } = this.read()
    this.#noted = slot
    this.#note({ slot, partition, offset })
  }

  step() {
    this.#cells[countAt] = (this.#cells[countAt] ?? 0) + 1
  }

  read() {
    const [slot = 0, offset = 0, count = 0, busy = 0, partition = 0] = this.#cells
    return { slot, partition, offset, count, isBusy: busy === 1 }
  }
}
