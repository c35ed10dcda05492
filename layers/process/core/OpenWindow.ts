/** A window in memory. */
import { compareKeys } from "./compareKeys.ts"

export class OpenWindow<S> {
  readonly key: string
  start: number
  end: number
  state: S
  /** The start under which it is stored; NaN if it is not. */
  stored: number
  /** Characters of its state as it is stored. */
  length = 0
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

/** As windows that end together close. */
export const inOrder = <S>(a: OpenWindow<S>, b: OpenWindow<S>) => compareKeys(a.key, b.key) || a.start - b.start

/** The window of a key that begins then. */
export const find = <S>(windows: ReadonlyArray<OpenWindow<S>> | undefined, start: number) => {
  if (windows === undefined) return undefined
  for (const window of windows) if (window.start === start) return window
  return undefined
}
