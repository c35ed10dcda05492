/** The place in a text where an event is being read, and what its readers say. */
export class Cursor {
  text = ""
  at = 0
  /** The canonical JSON of the value that was read last; empty if it stands so in the text. */
  piece = ""
  /** Elements of lists that were read in this event. */
  values = 0
  /** The value of the columns that the server sets, as JSON; empty to leave them out. */
  accepted = ""
}

/** Reads the value at `cursor.at`, and moves behind it; false to give up. */
export type Read = (cursor: Cursor) => boolean

export const giveUp: Read = () => false
