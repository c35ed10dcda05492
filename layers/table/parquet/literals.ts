/** Texts and paths as they are written into DuckDB's SQL. */

export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

export const list = (texts: ReadonlyArray<string>) => `[${texts.map(quoted).join(", ")}]`

/**
 * An absolute path for the functions of DuckDB that read, which take every path for a pattern: this one matches the
 * path itself. COPY … TO takes a path as it is.
 *
 * DuckDB splits a pattern at each backslash, and so one is written as a range of characters around it. It also finds no
 * pattern in the first folder of a path, which is why another one stands before that (both tried with 1.5.5).
 */
export const pattern = (path: string) =>
  /[*?[]/.test(path) ? `/.${path.replace(/[*?[]/g, "[$&]").replaceAll("\\", "[[-^]")}` : path

/** As the column `filename` has a file that was read by its pattern. */
export const filename = (path: string) => (pattern(path) === path ? path : `/.${path}`)
