/** Lines of a file as events of a stream: checked here as the server checks them, and sent as JSON. */
import { Result } from "effect"
import type { StreamDescription } from "../../../services/Api.ts"
import type { Column } from "../../../services/StreamDefinition.ts"
import { plural } from "../../runtime/plural.ts"
import * as Checker from "../checker/Checker.ts"
import { type Cell, type LineKind, namesTwice, parserOf } from "./records.ts"

export type EventStream = typeof StreamDescription.Type

const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/

const isJson = (text: string) => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** What a cell is as JSON. What does not look like its type becomes a string, which the checker rejects with its reason. */
const valueOf = ({ type }: Column, { text }: Cell) => {
  switch (type) {
    case "boolean":
      return text === "true" || text === "false" ? text : JSON.stringify(text)
    case "int":
    case "float":
    case "double":
      return number.test(text) ? text : JSON.stringify(text)
    case "struct":
    case "list":
    case "map":
      return isJson(text) ? text : JSON.stringify(text)
    case "json":
      return isJson(text) ? text : undefined
    default:
      return JSON.stringify(text)
  }
}

const kindOf = ({ name, columns }: EventStream): LineKind<string> => {
  const { json } = Checker.make({ columns })
  const byName = new Map(columns.map((column) => [column.name, column]))
  const names = columns.filter(({ type }) => type !== "accepted").map(({ name }) => name)

  /** The text itself: the canonical form of a JSON column would be taken as a string. */
  const checked = (text: string): Result.Result<string, string> => {
    if (text.startsWith("[")) return Result.fail("it must be an object")
    const result = json(text, { accepted: undefined, all: true })
    if (Result.isFailure(result)) return Result.fail(`it ${result.failure.message}`)
    const [rejected] = result.success.rejected
    return rejected === undefined ? Result.succeed(text) : Result.fail(rejected.reason)
  }

  return {
    headerProblem: (header) => {
      const unknown = header.find((one) => !names.includes(one))
      if (unknown !== undefined) {
        const known = names.slice(0, 20).join(", ")
        return `its first line names ${JSON.stringify(unknown.slice(0, 50))}, but ${name} has the ${plural(names.length, "column")} ${known}${names.length > 20 ? ", …" : ""}`
      }
      const missing = columns.find(
        (column) => column.required && column.type !== "accepted" && !header.includes(column.name)
      )
      return missing === undefined ? namesTwice(header) : `its first line does not name ${missing.name}`
    },
    ofCells: (header, cells) => {
      const members: Array<string> = []
      for (const [i, key] of header.entries()) {
        const cell = cells[i]
        const column = byName.get(key)
        if (cell === undefined || column === undefined || (cell.text === "" && !cell.isQuoted)) continue
        const value = valueOf(column, cell)
        if (value === undefined) return Result.fail(`${key} is not valid JSON`)
        members.push(`${JSON.stringify(key)}:${value}`)
      }
      return checked(`{${members.join(",")}}`)
    },
    ofText: (text) => checked(text.trim())
  }
}

/** Parses the lines of a file into events, each as JSON in one line. */
export const eventParser = (stream: EventStream) => parserOf(kindOf(stream))
