/** A text or a quoted name; or a comment, white space or a semicolon; or anything else. */
const token = /'[^']*'|"[^"]*"|(--[^\n]*|\/\*.*?\*\/|[\s;]+)|./gs

/** Without the semicolons, comments and white space at its end, which Trino does not take. */
export const withoutEnd = (sql: string) => {
  let end = 0
  for (const match of sql.matchAll(token)) if (match[1] === undefined) end = match.index + match[0].length
  return sql.slice(0, end)
}
