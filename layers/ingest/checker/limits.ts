/** The limits of one event. */

/** Arrays and objects within each other; the event itself is the first. */
export const maxDepth = 32
/** Elements of a list, entries of a map, or fields of an object. */
export const maxElements = 10_000
/** Values of an event, those within its lists and objects included: what bounds the memory of one. */
export const maxValues = 100_000
/** Bytes of an event, as it was sent: 1 MiB. */
export const maxEventBytes = 1024 * 1024
/** The most errors that are named. */
export const maxErrors = 20
