/** Query results as a text table that fits the terminal. */
import { Stream } from "effect"
import { CliOutput } from "effect/cli"
import type { QueryColumn, QueryValue } from "../../../services/Query.ts"
import { plural } from "../../runtime/plural.ts"
import { isNumber, type Rows } from "./formats.ts"

/** Rows that determine the column widths before the first is printed. */
const sample = 1000
const narrowest = 6

const graphemes = new Intl.Segmenter()
const plain = /^[\x20-\x7e]*$/

interface ShownColumn extends QueryColumn {
  /** Never truncated (an id is useless in part); other columns shrink instead. */
  readonly whole?: boolean
}

const widthOf = (text: string) => (plain.test(text) ? text.length : CliOutput.displayWidth(text))

/** Control characters could move the cursor or hide text, so they appear as symbols (␛, ␊). */
const visible = (text: string) =>
  text.replace(/\p{Cc}/gu, (char) => {
    const code = char.charCodeAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : "�"
  })

const cut = (text: string, width: number) => {
  if (widthOf(text) <= width) return text
  let kept = ""
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    used += widthOf(segment)
    if (used > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

export const cell = (value: QueryValue | undefined) =>
  value === null || value === undefined ? "NULL" : visible(typeof value === "string" ? value : JSON.stringify(value))

const fitted = (wanted: ReadonlyArray<number>, isWhole: ReadonlyArray<boolean>, terminal: number) => {
  const widths = [...wanted]
  const shrinkable = () => widths.filter((_, i) => !isWhole[i])
  // Each cell has a space on either side, and a bar between two cells.
  let over = widths.reduce((sum, width) => sum + width + 3, -1) - terminal
  while (over > 0) {
    const widest = Math.max(0, ...shrinkable())
    if (widest <= narrowest) break
    const column = widths.findIndex((width, i) => width === widest && !isWhole[i])
    const next = Math.max(narrowest, ...shrinkable().filter((width) => width < widest), widest - over)
    widths[column] = next === widest ? widest - 1 : next
    over -= widest - (widths[column] ?? widest)
  }
  return widths
}

const layout = (columns: ReadonlyArray<ShownColumn>, rows: ReadonlyArray<ReadonlyArray<string>>, terminal: number) => {
  const names = columns.map(({ name }) => visible(name))
  const widths = fitted(
    names.map((name, i) => rows.reduce((width, row) => Math.max(width, widthOf(row[i] ?? "")), widthOf(name))),
    columns.map(({ whole = false }) => whole),
    terminal
  )
  const right = columns.map(isNumber)
  const isTerminal = terminal < Number.MAX_SAFE_INTEGER
  const line = (cells: ReadonlyArray<string>) =>
    `${cells
      .map((text, i) => {
        const shown = isTerminal ? cut(text, widths[i] ?? 0) : text
        const space = " ".repeat(Math.max(0, (widths[i] ?? 0) - widthOf(shown)))
        return right[i] ? ` ${space}${shown} ` : ` ${shown}${space} `
      })
      .join("|")
      .trimEnd()}\n`
  const head = `${line(names)}${widths.map((width) => "-".repeat(width + 2)).join("+")}\n`
  return { head, line }
}

/** `terminal` is the width in columns. */
export const table = <E>(
  columns: ReadonlyArray<ShownColumn>,
  rows: Rows<E>,
  terminal: number
): Stream.Stream<string, E> =>
  Stream.suspend(() => {
    let count = 0
    let sampled: Array<ReadonlyArray<string>> = []
    let lines: ReturnType<typeof layout> | undefined
    const begin = () => {
      lines = layout(columns, sampled, terminal)
      const text = lines.head + sampled.map(lines.line).join("")
      sampled = []
      return text
    }
    const body = Stream.mapArray(rows, (chunk) => {
      count += chunk.length
      const cells = chunk.map((row) => columns.map((_, i) => cell(row[i])))
      if (lines !== undefined) return [cells.map(lines.line).join("")]
      sampled.push(...cells)
      return [sampled.length < sample ? "" : begin()]
    })
    const end = Stream.suspend(() => Stream.make(`${lines === undefined ? begin() : ""}(${plural(count, "row")})\n`))
    return Stream.concat(body, end)
  })
