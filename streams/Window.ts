/** Windows of event time. They begin at multiples of their step since 1970, in UTC, and do not contain their end. */
import { Duration, Option } from "effect"

/** Windows of one size, one after the other: each event is in one of them. Milliseconds. */
export interface Tumbling {
  readonly type: "tumbling"
  readonly size: number
}

/** Windows that overlap: each event is in `size / every` of them. Milliseconds. */
export interface Hopping {
  readonly type: "hopping"
  readonly size: number
  readonly every: number
}

/** A window for events of a key that follow each other in less than `gap`. It ends `gap` after its last event. Milliseconds. */
export interface Session {
  readonly type: "session"
  readonly gap: number
}

/** A length of time: `"1 hour"`, `"15 minutes"`. */
export type Length = Duration.Input

/** NaN for what is no length, which `floe streams check` reports. */
export const millisOf = (length: Length): number =>
  Option.getOrElse(Option.map(Duration.fromInput(length), Duration.toMillis), () => Number.NaN)

/** A window for each hour: `Window.tumbling("1 hour")`. */
export const tumbling = (size: Length): Tumbling => ({ type: "tumbling", size: millisOf(size) })
/** The last hour, every 15 minutes: `Window.hopping("1 hour", { every: "15 minutes" })`. */
export const hopping = (size: Length, { every }: { readonly every: Length }): Hopping => ({
  type: "hopping",
  size: millisOf(size),
  every: millisOf(every)
})
/** Ends when no event of the key came for that long: `Window.session("30 minutes")`. */
export const session = (gap: Length): Session => ({ type: "session", gap: millisOf(gap) })
