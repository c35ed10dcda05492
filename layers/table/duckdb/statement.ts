/** Classifies statements by their text alone. */

/** White space or a comment. It must match in one way only: backtracking over many comments would not end. */
const space = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)`
const before = new RegExp(`^(?:${space}|;)+`)
const after = /[\s;]+$/

/** Without leading comments, white space and semicolons, and without trailing white space and semicolons. */
export const trimmed = (sql: string) => sql.replace(before, "").replace(after, "")

/** `SHOW CATALOGS`, which DuckDB does not have. */
export const isShowCatalogs = (sql: string) =>
  new RegExp(`^SHOW${space}+CATALOGS(?:${space}|;)*$`, "i").test(trimmed(sql))

/** The statement that an EXPLAIN explains; undefined if `sql` is no EXPLAIN. */
export const explained = (sql: string) => {
  const options = String.raw`\(${space}*(?:ANALYZE|FORMAT)\b[^)]*\)${space}*`
  const match = new RegExp(`^EXPLAIN${space}+(?:ANALYZE${space}+)?(?:${options})?`, "i").exec(trimmed(sql))
  return match === null ? undefined : trimmed(sql).slice(match[0].length)
}

/**
 * Functions that change the engine, run text as SQL past the checks, or take memory addresses. `arrow_scan`, and
 * `enable_logging` to a file that it may not write, can end the process (tried with 1.5.5).
 */
const forbiddenNames = [
  "arrow_scan",
  "arrow_scan_dumb",
  "check_peg_parser",
  "checkpoint",
  "disable_logging",
  "disable_peg_parser",
  "disable_profiling",
  "enable_logging",
  "enable_peg_parser",
  "enable_profiling",
  "force_checkpoint",
  "json_execute_serialized_sql",
  "query",
  "query_table",
  "read_duckdb",
  "seq_scan",
  "truncate_duckdb_logs"
]

/** Before the parenthesis DuckDB accepts many characters as white space, and comments nest, so all of them match. */
const forbiddenCall = new RegExp(`\\b(${forbiddenNames.join("|")})"?[^!-~]*(?:\\(|--|/\\*)`, "i")

/** The first call of a function that queries may not use, even within a string. */
export const forbiddenFunction = (sql: string) => forbiddenCall.exec(sql)?.[1]

const otherVerbs =
  "ABORT|ALTER|ANALYZE|ATTACH|BEGIN|CALL|CHECKPOINT|COMMENT|COMMIT|COPY|CREATE|DEALLOCATE|DELETE|DETACH|DROP|END|EXECUTE|EXPORT|FORCE|GRANT|IMPORT|INSERT|INSTALL|LOAD|MERGE|PRAGMA|PREPARE|REINDEX|REPLACE|RESET|REVOKE|ROLLBACK|SAVEPOINT|SET|START|TRUNCATE|UNINSTALL|UNSET|UPDATE|USE|VACUUM"
const otherVerb = new RegExp(`^(?:${otherVerbs})(?![\\w"])`, "i")
const quotation = new RegExp(String.raw`'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|${space}`, "g")
const changeBehindWith = /^WITH\b.*?\b(?:DELETE\s+FROM|INSERT\s+(?:OR|INTO)|MERGE\s+INTO|UPDATE\s+\S+\s+SET)\b/is

const outside = (text: string) => {
  let depth = 0
  let kept = ""
  for (const character of text) {
    if (character === "(") depth++
    else if (character === ")") depth = Math.max(0, depth - 1)
    else if (depth === 0) kept += character
  }
  return kept
}

/** Whether this is one statement, or an EXPLAIN of one, that changes or sets something, judged by its first words. */
export const isChange = (sql: string) => {
  const text = trimmed(explained(sql) ?? sql)
    .replace(quotation, " ")
    .trim()
  if (text.includes(";")) return false
  return otherVerb.test(text) || (/^WITH\b/i.test(text) && changeBehindWith.test(outside(text)))
}
