/** Where a processor keeps its output, its state and its progress: what one transaction changes together. */
import type { States } from "./core/Task.ts"

export interface Progress {
  /** Offset of the next event of the input. */
  readonly next: number
  /** Milliseconds since 1970; −Infinity before the first event, and without windows. */
  readonly watermark: number
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
  readonly commit: (progress: Progress) => void
}
