/** What `SHOW CREATE TABLE` says. */

/** The lines between `(` and `)`, as Trino indents them. */
const block = (statement: string, opening: string) => {
  const start = statement.indexOf(opening)
  const body = start === -1 ? "" : statement.slice(start + opening.length, statement.indexOf("\n)", start))
  return body
    .split("\n")
    .map((line) => line.trim().replace(/,$/, ""))
    .filter((line) => line !== "")
}

export interface ShownTable {
  /** As `city varchar`. */
  readonly columns: ReadonlyArray<string>
  /** Trino's own, and their values as SQL. */
  readonly properties: ReadonlyMap<string, string>
}

export const parseShowCreate = (shown: string): ShownTable => ({
  columns: block(shown, " ("),
  properties: new Map(
    block(shown, "\nWITH (").map((line) => {
      const equals = line.indexOf(" = ")
      return [line.slice(0, equals), line.slice(equals + 3)]
    })
  )
})

/** The texts of `ARRAY['ts','bucket(city, 4)']`. */
export const texts = (array: string) =>
  Array.from(array.matchAll(/'((?:[^']|'')*)'/g), ([, text = ""]) => text.replaceAll("''", "'"))
