/** What is wrong with a declared stream. */
export interface Fault {
  /** `place.lat`, `tags.element`, `attributes.value`; empty for the stream itself. */
  readonly path: string
  readonly sentence: string
}

/** As a person reads it, without the file. */
export const sentenceOf = (stream: string, { path, sentence }: Fault) =>
  path === "" ? `stream ${stream}: ${sentence}` : `stream ${stream}, column ${path}: ${sentence}`

/** The same of a processor; the path names an option. */
export const processorSentence = (processor: string, { path, sentence }: Fault) =>
  path === "" ? `processor ${processor}: ${sentence}` : `processor ${processor}, option ${path}: ${sentence}`
