/** The words of a statement, as Trino's grammar cuts them. */

export interface Token {
  /** `gap` is white space or a comment; `sign` any other single character, also a quote that nothing closes. */
  readonly kind: "text" | "name" | "word" | "gap" | "sign"
  readonly text: string
}

const token =
  /(?<text>'(?:[^']|'')*')|(?<name>"(?:[^"]|"")*")|(?<gap>[ \t\r\n]+|--[^\r\n]*|\/\*.*?\*\/)|(?<word>\w+)|(?<sign>.)/gsu
const kinds = ["text", "name", "word", "gap"] as const

/** All of it: their texts make the statement again. */
export const tokens = (sql: string): ReadonlyArray<Token> =>
  Array.from(sql.matchAll(token), ({ 0: text, groups = {} }) => ({
    kind: kinds.find((kind) => groups[kind] !== undefined) ?? "sign",
    text
  }))

/** Without the semicolons, comments and white space at its end, which Trino does not take. */
export const withoutEnd = (sql: string) => {
  const all = tokens(sql)
  const last = all.findLastIndex(({ kind, text }) => kind !== "gap" && text !== ";" && text.trim() !== "")
  return all
    .slice(0, last + 1)
    .map(({ text }) => text)
    .join("")
}
