/**
 * A query over the table as it was at a snapshot: one line before the query makes the name `weather` stand for that
 * snapshot. What is taken out of the query is replaced by spaces, so that the rest stays in its line and column.
 */
import { Result } from "effect"
import { weather } from "../../../services/TableReader.ts"
import { columns } from "../../../services/Weather.ts"
import { type Token, tokens } from "./statement.ts"

/** A name means the same in capital letters, in quotes too. */
const identifier = (token: Token | undefined) => {
  if (token?.kind === "word") return token.text.toLowerCase()
  return token?.kind === "name" ? token.text.slice(1, -1).toLowerCase() : undefined
}

/** Tokens without gaps, to be asked what stands where. */
const reading = (words: ReadonlyArray<Token>) => {
  /** These words, and not names in quotes. */
  const is = (at: number, ...wanted: ReadonlyArray<string>) =>
    wanted.every((one, i) => words[at + i]?.text.toLowerCase() === one)
  const name = (at: number) => identifier(words[at])

  /** Behind the parenthesis that opens here, if one does. */
  const behindParentheses = (at: number) => {
    let depth = 0
    let end = at
    do {
      if (is(end, "(")) depth++
      if (is(end, ")")) depth--
      if (depth > 0) end++
    } while (depth > 0 && end < words.length)
    return end === at ? at : end + 1
  }

  /** A name that a WITH has for a query of its own. */
  const isDefined = (at: number) => is(behindParentheses(at + 1), "as", "(")

  /** How many tokens qualify the table's name that ends a chain beginning here: iceberg . default . */
  const qualifiers = (at: number) => {
    if (is(at - 1, ".")) return 0
    const start = name(at) === "iceberg" && is(at + 1, ".") ? at + 2 : at
    return name(start) === "default" && is(start + 1, ".") && name(start + 2) === weather ? start + 2 - at : 0
  }

  return { is, name, isDefined, qualifiers }
}
type Reading = ReturnType<typeof reading>

const startsWith = ({ is, name }: Reading, word: string) => is(0, "with", word) && name(2) !== undefined && !is(2, "as")

/** Why the statement cannot be pinned, as a sentence. */
const refusal = (words: ReadonlyArray<Token>, read: Reading) => {
  const { is, isDefined, name } = read
  if (!["select", "with", "values", "table", "("].some((start) => is(0, start))) {
    return "With --as-of only queries can be run, which begin with SELECT, WITH, VALUES or TABLE."
  }
  if (startsWith(read, "function") || startsWith(read, "session")) {
    return "With --as-of a query cannot have functions or session properties of its own."
  }
  for (const at of words.keys()) {
    if (name(at)?.startsWith(`${weather}$`)) {
      return `With --as-of the table "${name(at)}" cannot be queried, as it tells of the newest snapshot; floe table files --as-of lists the files of another.`
    }
    if (["version", "timestamp"].some((period) => is(at, "for", period, "as", "of"))) {
      return "With --as-of a query cannot say FOR VERSION or FOR TIMESTAMP AS OF as well; leave one of them out."
    }
    if (name(at) === weather && isDefined(at)) {
      return `With --as-of the name ${weather} stands for the table; give what the query calls so another name.`
    }
  }
  return words.some((_, at) => name(at) === weather)
    ? undefined
    : `With --as-of a query is about the table ${weather}, and this one does not name it.`
}

const blank = (text: string) => text.replace(/[^\r\n]/gu, (character) => " ".repeat(character.length))

/** The query over the snapshot, or why there is none. */
export const atSnapshot = (sql: string, snapshotId: string): Result.Result<string, string> => {
  const all = tokens(sql)
  const places = [...all.keys()].filter((at) => all[at]?.kind !== "gap")
  const words = places.flatMap((at) => all[at] ?? [])
  const read = reading(words)
  const refused = refusal(words, read)
  if (refused !== undefined) return Result.fail(refused)

  const isRecursive = startsWith(read, "recursive")
  const hasWith = read.is(0, "with")
  const removed = new Set<number | undefined>()
  const remove = (from: number, count: number) => {
    for (const place of places.slice(from, from + count)) removed.add(place)
  }
  remove(0, isRecursive ? 2 : hasWith ? 1 : 0)
  for (const at of words.keys()) remove(at, read.qualifiers(at))

  // Trino wants names for all columns where a WITH is recursive.
  const head = isRecursive ? `WITH RECURSIVE ${weather}(${columns.join(", ")})` : `WITH ${weather}`
  const body = all.map(({ text }, at) => (removed.has(at) ? blank(text) : text)).join("")
  return Result.succeed(
    `${head} AS (SELECT * FROM iceberg.default.${weather} FOR VERSION AS OF ${snapshotId})${hasWith ? "," : ""}\n${body}`
  )
}

/** The engine's message with the line that it has in the query as it was given. */
export const asGiven = (reason: string) =>
  reason.replace(/^line (\d+)(:\d+: )/, (_, line: string, column: string) =>
    line === "1" ? "" : `line ${Number(line) - 1}${column}`
  )
