/** Formats texts and paths for DuckDB's SQL. */

export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

export const list = (texts: ReadonlyArray<string>) => `[${texts.map(quoted).join(", ")}]`

/**
 * A pattern that matches only this absolute path. DuckDB's functions that read take every path as a pattern; COPY … TO
 * takes it literally.
 *
 * DuckDB splits a pattern at each backslash, so a backslash becomes a range of characters around it. It also ignores a
 * pattern in the first folder of a path, so another folder, `.`, comes first (both tried with 1.5.5).
 */
export const pattern = (path: string) =>
  /[*?[]/.test(path) ? `/.${path.replace(/[*?[]/g, "[$&]").replaceAll("\\", "[[-^]")}` : path

/** The value of the column `filename` for a file that was read by its pattern. */
export const filename = (path: string) => (pattern(path) === path ? path : `/.${path}`)
