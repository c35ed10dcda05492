/** A state for each key, without windows. */
import { keptShare, type Out, type Room, type StateCodec, type States } from "./Task.ts"

export interface FoldPlan<E, S> {
  readonly key: (event: E) => string
  readonly zero: S
  /** Undefined forgets the key. */
  readonly add: (state: S, event: E) => S | undefined
  /** After the event, in place of `Out.closed`. */
  readonly changed: (key: string, state: S | undefined, event: E) => void
}

interface Kept<S> {
  readonly key: string
  state: S | undefined
  isStored: boolean
  /** Characters of its state as it is stored. */
  length: number
  isDirty: boolean
}

export class Fold<E, S> {
  /** Folds have no event time. */
  readonly watermark = Number.NEGATIVE_INFINITY
  readonly #plan: FoldPlan<E, S>
  readonly #states: States
  readonly #codec: StateCodec<S>
  readonly #room: Room
  readonly #keys = new Map<string, Kept<S>>()
  #dirty: Array<Kept<S>> = []
  /** Of the states in memory, as they are stored. */
  #length = 0
  #isPartial = false

  constructor(plan: FoldPlan<E, S>, states: States, codec: StateCodec<S>, _out: Out<E, S>, room: Room) {
    this.#plan = plan
    this.#states = states
    this.#codec = codec
    this.#room = room
  }

  restore() {
    const { rows, isAll } = this.#states.some(this.#room.keys, this.#room.length)
    this.#isPartial = !isAll
    for (const { key, state } of rows) this.#keys.set(key, this.#stored(key, state))
  }

  step(event: E) {
    const { add, changed, zero } = this.#plan
    const key = this.#plan.key(event)
    const known = this.#keys.get(key) ?? this.#load(key)
    const state = add(known?.state ?? zero, event)
    changed(key, state, event)
    const kept = known ?? { key, state, isStored: false, length: 0, isDirty: false }
    kept.state = state
    if (known === undefined) this.#keys.set(key, kept)
    if (kept.isDirty) return
    kept.isDirty = true
    this.#dirty.push(kept)
  }

  /** Folds have no windows. */
  tick() {}

  isDue() {
    return false
  }

  flush() {
    // Taken one by one, so that the memory of those that are forgotten is free.
    const dirty = this.#dirty.reverse()
    this.#dirty = []
    for (let kept = dirty.pop(); kept !== undefined; kept = dirty.pop()) {
      const { isStored, key, state } = kept
      kept.isDirty = false
      if (state === undefined) {
        if (isStored) this.#states.remove(key, 0)
        this.#forget(kept)
      } else {
        const text = this.#codec.encode(state, key)
        this.#states.put({ key, start: 0, end: 0, state: text }, isStored ? 0 : undefined)
        kept.isStored = true
        this.#length += text.length - kept.length
        kept.length = text.length
        // A string that was concatenated takes its memory only once it is encoded, so the end would be too late.
        if (this.#length > this.#room.length) {
          this.#forget(kept)
          this.#isPartial = true
        }
      }
    }
    if (this.#keys.size <= this.#room.keys && this.#length <= this.#room.length) return
    const most = Math.floor(this.#room.keys * keptShare)
    for (const kept of this.#keys.values()) {
      if (this.#keys.size <= most && this.#length <= this.#room.length * keptShare) break
      this.#forget(kept)
    }
    this.#isPartial = true
  }

  #forget({ key, length }: Kept<S>) {
    this.#length -= length
    this.#keys.delete(key)
  }

  get size() {
    return this.#keys.size
  }

  #stored(key: string, state: string): Kept<S> {
    this.#length += state.length
    return { key, state: this.#codec.decode(state), isStored: true, length: state.length, isDirty: false }
  }

  #load(key: string) {
    if (!this.#isPartial) return undefined
    const [row] = this.#states.load(key)
    if (row === undefined) return undefined
    const kept = this.#stored(key, row.state)
    this.#keys.set(key, kept)
    return kept
  }
}
