/**
 * Rewrites a query to read the table at a snapshot: a line before the query binds the name `weather` to that snapshot.
 * Removed text becomes spaces, so that the rest keeps its line and column.
 */
import { Result } from "effect"
import { weather } from "../../../services/TableReader.ts"
import { columns } from "../../../services/Weather.ts"
import { type Token, tokens } from "./statement.ts"

const identifier = (token: Token | undefined) => {
  if (token?.kind === "word") return token.text.toLowerCase()
  return token?.kind === "name" ? token.text.slice(1, -1).toLowerCase() : undefined
}

const lookup = (words: ReadonlyArray<Token>) => {
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
    return name(start) === "default" && is(start + 1, ".") && name(start + 2) === weather ? start + 2 - at : 0
  }

  return { is, name, isDefined, qualifiers }
}
type Lookup = ReturnType<typeof lookup>

const startsWith = ({ is, name }: Lookup, word: string) => is(0, "with", word) && name(2) !== undefined && !is(2, "as")

const unsupported = (words: ReadonlyArray<Token>, find: Lookup) => {
  const { is, isDefined, name } = find
  if (!["select", "with", "values", "table", "("].some((start) => is(0, start))) {
    return "--as-of accepts only queries, which begin with SELECT, WITH, VALUES or TABLE."
  }
  if (startsWith(find, "function") || startsWith(find, "session")) {
    return "--as-of does not work with a query that defines functions or session properties."
  }
  for (const at of words.keys()) {
    if (name(at)?.startsWith(`${weather}$`)) {
      return `--as-of does not work with the table "${name(at)}", which describes the newest snapshot; floe table files --as-of lists the files of an older one.`
    }
    if (["version", "timestamp"].some((period) => is(at, "for", period, "as", "of"))) {
      return "--as-of does not work with a query that has FOR VERSION or FOR TIMESTAMP AS OF; leave out one of them."
    }
    if (name(at) === weather && isDefined(at)) {
      return `--as-of binds the name ${weather} to the table; give another name to what the query defines as ${weather}.`
    }
  }
  return words.some((_, at) => name(at) === weather)
    ? undefined
    : `--as-of needs a query of the table ${weather}, and this query does not name it.`
}

const blank = (text: string) => text.replace(/[^\r\n]/gu, (character) => " ".repeat(character.length))

/** The rewritten query, or why it cannot be rewritten, as a sentence. */
export const atSnapshot = (sql: string, snapshotId: string): Result.Result<string, string> => {
  const all = tokens(sql)
  const places = [...all.keys()].filter((at) => all[at]?.kind !== "gap")
  const words = places.flatMap((at) => all[at] ?? [])
  const find = lookup(words)
  const reason = unsupported(words, find)
  if (reason !== undefined) return Result.fail(reason)

  const isRecursive = startsWith(find, "recursive")
  const hasWith = find.is(0, "with")
  const removed = new Set<number | undefined>()
  const remove = (from: number, count: number) => {
    for (const place of places.slice(from, from + count)) removed.add(place)
  }
  remove(0, isRecursive ? 2 : hasWith ? 1 : 0)
  for (const at of words.keys()) remove(at, find.qualifiers(at))

  // Trino requires column names in a recursive WITH.
  const head = isRecursive ? `WITH RECURSIVE ${weather}(${columns.join(", ")})` : `WITH ${weather}`
  const body = all.map(({ text }, at) => (removed.has(at) ? blank(text) : text)).join("")
  return Result.succeed(
    `${head} AS (SELECT * FROM iceberg.default.${weather} FOR VERSION AS OF ${snapshotId})${hasWith ? "," : ""}\n${body}`
  )
}

/** The engine's message with the line number of the query before it was rewritten. */
export const withOriginalLines = (reason: string) =>
  reason.replace(/^line (\d+)(:\d+: )/, (_, line: string, column: string) =>
    line === "1" ? "" : `line ${Number(line) - 1}${column}`
  )
