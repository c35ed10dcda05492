/**
 * Rewrites a query to read tables at their snapshots: a line before the query binds the name of each to its snapshot.
 * Removed text becomes spaces, so that the rest keeps its line and column.
 */
import { Result } from "effect"
import { weather } from "../../../services/TableReader.ts"
import { columns } from "../../../services/Weather.ts"
import { type Token, tokens } from "./statement.ts"
import { identifierOf, nameOf } from "./streamTable.ts"

const identifier = (token: Token | undefined) => {
  if (token?.kind === "word") return token.text.toLowerCase()
  return token?.kind === "name" ? token.text.slice(1, -1).toLowerCase() : undefined
}

/** A table that is read at a snapshot. */
export interface Binding {
  readonly table: string
  readonly snapshotId: string
  /** Its columns at that snapshot, as SQL lists them. */
  readonly columns: string
}

const lookup = (words: ReadonlyArray<Token>, tables: ReadonlyArray<string>) => {
  const is = (at: number, ...wanted: ReadonlyArray<string>) =>
    wanted.every((one, i) => words[at + i]?.text.toLowerCase() === one)
  const name = (at: number) => identifier(words[at])

  const afterParentheses = (at: number) => {
    let depth = 0
    let end = at
    do {
      if (is(end, "(")) depth++
      if (is(end, ")")) depth--
      if (depth > 0) end++
    } while (depth > 0 && end < words.length)
    return end === at ? at : end + 1
  }

  const isDefined = (at: number) => is(afterParentheses(at + 1), "as", "(")

  const qualifiers = (at: number) => {
    if (is(at - 1, ".")) return 0
    const start = name(at) === "iceberg" && is(at + 1, ".") ? at + 2 : at
    return name(start) === "default" && is(start + 1, ".") && isTable(start + 2) ? start + 2 - at : 0
  }

  const isTable = (at: number) => tables.includes(name(at) ?? "")

  return { is, name, isDefined, isTable, qualifiers }
}
type Lookup = ReturnType<typeof lookup>

const startsWith = ({ is, name }: Lookup, word: string) => is(0, "with", word) && name(2) !== undefined && !is(2, "as")

const unsupported = (words: ReadonlyArray<Token>, find: Lookup, tables: ReadonlyArray<string>) => {
  const { is, isDefined, isTable, name } = find
  if (!["select", "with", "values", "table", "("].some((start) => is(0, start))) {
    return "--as-of accepts only queries, which begin with SELECT, WITH, VALUES or TABLE."
  }
  if (startsWith(find, "function") || startsWith(find, "session")) {
    return "--as-of does not work with a query that defines functions or session properties."
  }
  for (const at of words.keys()) {
    if (tables.some((table) => name(at)?.startsWith(`${table}$`))) {
      return `--as-of does not work with the table "${name(at)}", which describes the newest snapshot; floe table files --as-of lists the files of an older one.`
    }
    if (["version", "timestamp"].some((period) => is(at, "for", period, "as", "of"))) {
      return "--as-of does not work with a query that has FOR VERSION or FOR TIMESTAMP AS OF; leave out one of them."
    }
    if (isTable(at) && isDefined(at)) {
      return `--as-of binds the name ${name(at)} to the table; give another name to what the query defines as ${name(at)}.`
    }
  }
  return words.some((_, at) => isTable(at))
    ? undefined
    : `--as-of needs a query of the table ${weather}, and this query does not name it.`
}

const blank = (text: string) => text.replace(/[^\r\n]/gu, (character) => " ".repeat(character.length))

const wordsOf = (sql: string) => {
  const all = tokens(sql)
  const places = [...all.keys()].filter((at) => all[at]?.kind !== "gap")
  return { all, places, words: places.flatMap((at) => all[at] ?? []) }
}

/** Every identifier of a statement, in lower case; also those before a `$`, which names a table that describes a table. */
export const identifiersOf = (sql: string): ReadonlyArray<string> => {
  const names = wordsOf(sql).words.flatMap((word) => identifier(word) ?? [])
  return [...new Set(names.map((name) => name.replace(/\$.*$/s, "")))].filter((name) => /^[a-z][a-z0-9_]*$/.test(name))
}

const selectOf = ({ snapshotId, table }: Binding) => `SELECT * FROM ${nameOf(table)} FOR VERSION AS OF ${snapshotId}`

/** The rewritten query, or why it cannot be rewritten, as a sentence. */
export const atSnapshots = (sql: string, bindings: ReadonlyArray<Binding>): Result.Result<string, string> => {
  const { all, places, words } = wordsOf(sql)
  const tables = bindings.length === 0 ? [weather] : bindings.map(({ table }) => table)
  const find = lookup(words, tables)
  const reason = unsupported(words, find, tables)
  if (reason !== undefined) return Result.fail(reason)

  const isRecursive = startsWith(find, "recursive")
  const hasWith = find.is(0, "with")
  const removed = new Set<number | undefined>()
  const remove = (from: number, count: number) => {
    for (const place of places.slice(from, from + count)) removed.add(place)
  }
  remove(0, isRecursive ? 2 : hasWith ? 1 : 0)
  for (const at of words.keys()) remove(at, find.qualifiers(at))

  const body = all.map(({ text }, at) => (removed.has(at) ? blank(text) : text)).join("")
  const bound = bindings.map((binding) => {
    const name = identifierOf(binding.table)
    // Trino requires column names in a recursive WITH.
    return `${isRecursive ? `${name}(${binding.columns})` : name} AS (${selectOf(binding)})`
  })
  return Result.succeed(`WITH ${isRecursive ? "RECURSIVE " : ""}${bound.join(", ")}${hasWith ? "," : ""}\n${body}`)
}

export const atSnapshot = (sql: string, snapshotId: string) =>
  atSnapshots(sql, [{ table: weather, snapshotId, columns: columns.join(", ") }])

/** The engine's message with the line number of the query before it was rewritten. */
export const withOriginalLines = (reason: string) =>
  reason.replace(/^line (\d+)(:\d+: )/, (_, line: string, column: string) =>
    line === "1" ? "" : `line ${Number(line) - 1}${column}`
  )
