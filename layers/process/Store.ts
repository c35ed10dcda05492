/** Where a processor keeps its output, its state and its progress: what one transaction changes together. */
import type { States } from "./core/Task.ts"

export interface Progress {
  /** Offset of the next event of the input. */
  readonly next: number
  /** Milliseconds since 1970; −Infinity before the first event, and without windows. */
  readonly watermark: number
}

/** A moment at which windows were closed by the clock. It is part of the input, so that the same rows come again. */
export interface Tick {
  /** Offset of the event after it. */
  readonly next: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Between `begin` and `commit` nothing is visible to readers. After an error, open the store again. */
export interface Store extends States {
  readonly progress: () => Progress
  readonly begin: () => void
  /** A row of the output, canonical; `acceptedAt` in milliseconds since 1970. */
  readonly row: (record: string, acceptedAt: number) => void
  /** A late event, canonical. */
  readonly late: (record: string, acceptedAt: number) => void
  readonly dead: (value: string, reason: string, acceptedAt: number) => void
  /** That windows were closed by the clock before the event at `next`. */
  readonly tick: (tick: Tick) => void
  readonly commit: (progress: Progress) => void
}
