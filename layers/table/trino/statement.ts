/** Splits a statement into the tokens of Trino's grammar. */

export interface Token {
  /** `gap` is white space or a comment; `sign` is any other single character, including an unclosed quote. */
  readonly kind: "text" | "name" | "word" | "gap" | "sign"
  readonly text: string
}

const token =
  /(?<text>'(?:[^']|'')*')|(?<name>"(?:[^"]|"")*")|(?<gap>[ \t\r\n]+|--[^\r\n]*|\/\*.*?\*\/)|(?<word>\w+)|(?<sign>.)/gsu
const kinds = ["text", "name", "word", "gap"] as const

/** Lossless: the texts of all tokens, joined, are the statement. */
export const tokens = (sql: string): ReadonlyArray<Token> =>
  Array.from(sql.matchAll(token), ({ 0: text, groups = {} }) => ({
    kind: kinds.find((kind) => groups[kind] !== undefined) ?? "sign",
    text
  }))

/** Drops trailing semicolons, comments and white space, which Trino rejects. */
export const trimStatement = (sql: string) => {
  const all = tokens(sql)
  const last = all.findLastIndex(({ kind, text }) => kind !== "gap" && text !== ";" && text.trim() !== "")
  return all
    .slice(0, last + 1)
    .map(({ text }) => text)
    .join("")
}
