/** A state for each key, without windows. */
import type { Out, StateCodec, States } from "./Task.ts"

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
  isDirty: boolean
}

export class Fold<E, S> {
  /** Folds have no event time. */
  readonly watermark = Number.NEGATIVE_INFINITY
  readonly #plan: FoldPlan<E, S>
  readonly #states: States
  readonly #codec: StateCodec<S>
  readonly #maxKeys: number
  readonly #keys = new Map<string, Kept<S>>()
  #dirty: Array<Kept<S>> = []
  #isPartial = false

  constructor(plan: FoldPlan<E, S>, states: States, codec: StateCodec<S>, _out: Out<E, S>, maxKeys: number) {
    this.#plan = plan
    this.#states = states
    this.#codec = codec
    this.#maxKeys = maxKeys
  }

  restore() {
    const { rows, isAll } = this.#states.some(this.#maxKeys)
    this.#isPartial = !isAll
    for (const { key, state } of rows) this.#keys.set(key, this.#stored(key, state))
  }

  step(event: E) {
    const { add, changed, zero } = this.#plan
    const key = this.#plan.key(event)
    const known = this.#keys.get(key) ?? this.#load(key)
    const state = add(known?.state ?? zero, event)
    changed(key, state, event)
    const kept = known ?? { key, state, isStored: false, isDirty: false }
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
    for (const kept of this.#dirty) {
      const { isStored, key, state } = kept
      kept.isDirty = false
      if (state === undefined) {
        if (isStored) this.#states.remove(key, 0)
        this.#keys.delete(key)
      } else {
        this.#states.put({ key, start: 0, end: 0, state: this.#codec.encode(state, key) }, isStored ? 0 : undefined)
        kept.isStored = true
      }
    }
    this.#dirty = []
    if (this.#keys.size <= this.#maxKeys) return
    const most = Math.floor(this.#maxKeys * 0.8)
    for (const key of this.#keys.keys()) {
      if (this.#keys.size <= most) break
      this.#keys.delete(key)
    }
    this.#isPartial = true
  }

  get size() {
    return this.#keys.size
  }

  #stored(key: string, state: string): Kept<S> {
    return { key, state: this.#codec.decode(state), isStored: true, isDirty: false }
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
