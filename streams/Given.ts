/** The types of `floe/testing`. */
import type { Processor } from "./Processor.ts"

/** What a processor made of the given events, as user code sees values, without the columns that Floe sets. */
interface Given {
  /** The rows of the output stream, in order. */
  readonly rows: ReadonlyArray<object>
  /** The events that came too late. */
  readonly late: ReadonlyArray<object>
  /** With `onError: "dead-letter"`: the events and windows that were put aside, and why. */
  readonly dead: ReadonlyArray<{ readonly value: string; readonly reason: string }>
  /** The windows that are still open, or the keys of a fold, by key and start. */
  readonly open: ReadonlyArray<{
    readonly key: string
    readonly start: string
    readonly end: string
    readonly state: object
  }>
  /** Throws an AssertionError that shows the difference unless these are the rows and the late events. `late` is none by default. */
  readonly then: (rows: ReadonlyArray<object>, late?: ReadonlyArray<object>) => void
}

/**
 * Runs a processor in memory over events as clients send them. It runs twice, once at a stroke and once with a restart after
 * each event. Throws if an event does not fit its stream, if the two differ, or if a function gives a promise, reads the clock
 * or randomness, or changes what it is given.
 */
export type GivenFunction = (processor: Processor, events: ReadonlyArray<object>) => Given
