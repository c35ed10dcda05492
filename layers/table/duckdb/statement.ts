/** What can be told of a statement from its text alone. */

/** White space or a comment, readable in one way only: else a statement of many comments would take for ever. */
const space = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)`
const before = new RegExp(`^(?:${space}|;)+`)
const after = /[\s;]+$/

/** Without comments, white space and semicolons before it, and white space and semicolons after it. */
export const trimmed = (sql: string) => sql.replace(before, "").replace(after, "")

/** `SHOW CATALOGS`, which the engine does not know. */
export const isShowCatalogs = (sql: string) =>
  new RegExp(`^SHOW${space}+CATALOGS(?:${space}|;)*$`, "i").test(trimmed(sql))

/** The statement that an EXPLAIN explains; undefined if it is none. */
export const explained = (sql: string) => {
  const options = String.raw`\(${space}*(?:ANALYZE|FORMAT)\b[^)]*\)${space}*`
  const match = new RegExp(`^EXPLAIN${space}+(?:ANALYZE${space}+)?(?:${options})?`, "i").exec(trimmed(sql))
  return match === null ? undefined : trimmed(sql).slice(match[0].length)
}

/**
 * Functions that change the engine, run text as SQL past the checks, or take addresses of memory: `enable_logging` to
 * a file that it may not write ends the process, and so can `arrow_scan` (tried).
 */
const refusedNames = [
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

/** Before the parenthesis the engine takes many a character for a space, and comments nest; so all of it counts. */
const refusedCall = new RegExp(`\\b(${refusedNames.join("|")})"?[^!-~]*(?:\\(|--|/\\*)`, "i")

/** The first call of a function that a query may not use; a text that looks like one counts too. */
export const refusedFunction = (sql: string) => refusedCall.exec(sql)?.[1]

const otherVerbs =
  "ABORT|ALTER|ANALYZE|ATTACH|BEGIN|CALL|CHECKPOINT|COMMENT|COMMIT|COPY|CREATE|DEALLOCATE|DELETE|DETACH|DROP|END|EXECUTE|EXPORT|FORCE|GRANT|IMPORT|INSERT|INSTALL|LOAD|MERGE|PRAGMA|PREPARE|REINDEX|REPLACE|RESET|REVOKE|ROLLBACK|SAVEPOINT|SET|START|TRUNCATE|UNINSTALL|UNSET|UPDATE|USE|VACUUM"
const otherVerb = new RegExp(`^(?:${otherVerbs})(?![\\w"])`, "i")
/** What may stand for a semicolon or a verb and is none. */
const quotation = new RegExp(String.raw`'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|${space}`, "g")
const changeBehindWith = /^WITH\b.*?\b(?:DELETE\s+FROM|INSERT\s+(?:OR|INTO)|MERGE\s+INTO|UPDATE\s+\S+\s+SET)\b/is

/** Without what is in parentheses, as far as they are balanced. */
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

/** Whether it is one statement, or an EXPLAIN of one, that begins as those do that change or set something. */
export const isChange = (sql: string) => {
  const text = trimmed(explained(sql) ?? sql)
    .replace(quotation, " ")
    .trim()
  if (text.includes(";")) return false
  return otherVerb.test(text) || (/^WITH\b/i.test(text) && changeBehindWith.test(outside(text)))
}
