/** Parses the output of `SHOW CREATE TABLE`. */

const block = (statement: string, opening: string) => {
  const start = statement.indexOf(opening)
  const body = start === -1 ? "" : statement.slice(start + opening.length, statement.indexOf("\n)", start))
  return body
    .split("\n")
    .map((line) => line.trim().replace(/,$/, ""))
    .filter((line) => line !== "")
}

export interface CreateStatement {
  /** For example `city varchar`. */
  readonly columns: ReadonlyArray<string>
  /** Trino's table properties; values are SQL. */
  readonly properties: ReadonlyMap<string, string>
}

export const parseShowCreate = (statement: string): CreateStatement => ({
  columns: block(statement, " ("),
  properties: new Map(
    block(statement, "\nWITH (").map((line) => {
      const equals = line.indexOf(" = ")
      return [line.slice(0, equals), line.slice(equals + 3)]
    })
  )
})

/** The strings in `ARRAY['ts','bucket(city, 4)']`. */
export const texts = (array: string) =>
  Array.from(array.matchAll(/'((?:[^']|'')*)'/g), ([, text = ""]) => text.replaceAll("''", "'"))
