/**
 * Reads an event from its text straight to its canonical text, without values between them. It takes only what is plain:
 * at anything else it gives up, and checkNode.ts decides.
 */
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { type Cursor, giveUp, type Read } from "./Cursor.ts"
import { type Check, checkOf, type FieldError } from "./checkNode.ts"
import { maxDepth, maxElements, maxValues } from "./limits.ts"
import { NodeReader, skipSpace } from "./parseNode.ts"
import { primitiveOf } from "./primitives.ts"
import { readJson } from "./readJson.ts"
import { readBoolean, readPrimitive, readString } from "./readPrimitive.ts"
import { type Rule, sizeRule, valueRule } from "./rules.ts"

const orNull = (read: Read): Read => {
  return (cursor) => {
    if (!cursor.text.startsWith("null", cursor.at)) return read(cursor)
    cursor.piece = ""
    cursor.at += 4
    return true
  }
}

const throughNode = (check: Check, depth: number): Read => {
  return (cursor) => {
    const reader = new NodeReader(cursor.text, cursor.at)
    const node = reader.value(depth)
    if (node === undefined) return false
    const errors: Array<FieldError> = []
    cursor.piece = check(node, "", { accepted: undefined, errors })
    cursor.at = reader.at
    return errors.length === 0
  }
}

/** The canonical text grows by runs of the text that stand there so, and by the pieces that do not. */
const readList = (element: Read, rule: Rule<number> | undefined): Read => {
  return (cursor) => {
    const { text, at } = cursor
    if (text.charCodeAt(at) !== 0x5b) return false
    let list = ""
    let run = at
    let count = 0
    let i = at + 1
    if (text.charCodeAt(i) <= 0x20) run = i = skipSpace(text, i)
    if (run > at) list = "["
    while (text.charCodeAt(i) !== 0x5d) {
      cursor.at = i
      if (count === maxElements || ++cursor.values > maxValues || !element(cursor)) return false
      count++
      if (cursor.piece !== "") {
        list += text.slice(run, i) + cursor.piece
        run = cursor.at
      }
      i = cursor.at
      let code = text.charCodeAt(i)
      if (code <= 0x20) {
        list += text.slice(run, i)
        run = i = skipSpace(text, i)
        code = text.charCodeAt(i)
      }
      if (code === 0x2c) {
        code = text.charCodeAt(++i)
        if (code <= 0x20) {
          list += text.slice(run, i)
          run = i = skipSpace(text, i)
        }
        if (text.charCodeAt(i) === 0x5d) return false
      } else if (code !== 0x5d) return false
    }
    if (rule !== undefined && rule(count) !== undefined) return false
    cursor.at = i + 1
    cursor.piece = run === at ? "" : list + text.slice(run, i + 1)
    return true
  }
}

const readStruct = (columns: ReadonlyArray<Column>, depth: number): Read => {
  const fields = columns.map((column) => ({
    required: column.required,
    isAccepted: column.type === "accepted",
    read: readOf(column, depth),
    quoted: JSON.stringify(column.name),
    first: `{${JSON.stringify(column.name)}:`,
    next: `,${JSON.stringify(column.name)}:`
  }))
  const names = new Map(fields.map(({ quoted }, index) => [quoted.slice(1, -1), index]))
  const required = fields.filter((field) => field.required && !field.isAccepted).length
  const hasAccepted = fields.some(({ isAccepted }) => isAccepted)
  // Which field followed which one last time; the last entry is for the field that came first.
  const following = [...fields.keys()].map((index) => index + 1)
  following.push(0)
  /** Of each field: where its value is in the text (0 if it is not there, -1 if it is null), and its canonical JSON unless it stands there. */
  const starts = fields.map(() => 0)
  const ends = fields.map(() => 0)
  const pieces = fields.map(() => "")

  /** From the text, in which only pieces stand otherwise. */
  const inPlace = (text: string, from: number, to: number) => {
    let event = ""
    let run = from
    for (let i = 0; i < fields.length; i++) {
      const piece = pieces[i] ?? ""
      if (piece === "" || starts[i] === 0) continue
      event += text.slice(run, starts[i]) + piece
      run = ends[i] ?? to
    }
    return run === from ? "" : event + text.slice(run, to)
  }

  const inOrder = (text: string, accepted: string) => {
    let event = ""
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]
      if (field === undefined) continue
      let piece = accepted
      if (!field.isAccepted) {
        if ((starts[i] ?? 0) <= 0) continue
        piece = pieces[i] || text.slice(starts[i], ends[i])
      } else if (accepted === "") continue
      event = event === "" ? field.first + piece : event + field.next + piece
    }
    return event === "" ? "{}" : `${event}}`
  }

  return (cursor) => {
    const { text, at } = cursor
    if (text.charCodeAt(at) !== 0x7b) return false
    for (let i = 0; i < starts.length; i++) starts[i] = 0
    let isInPlace = !hasAccepted
    let seen = 0
    let last = fields.length
    let i = at + 1
    if (text.charCodeAt(i) <= 0x20) {
      isInPlace = false
      i = skipSpace(text, i)
    }
    while (text.charCodeAt(i) !== 0x7d) {
      let index = following[last] ?? 0
      let field = fields[index]
      if (field !== undefined && text.startsWith(field.quoted, i)) i += field.quoted.length
      else {
        const end = text.charCodeAt(i) === 0x22 ? text.indexOf('"', i + 1) : -1
        index = (end === -1 ? undefined : names.get(text.slice(i + 1, end))) ?? -1
        field = fields[index]
        if (field === undefined) return false
        following[last] = index
        i = end + 1
      }
      if (field.isAccepted || starts[index] !== 0) return false
      if (index < last && last !== fields.length) isInPlace = false
      last = index
      if (text.charCodeAt(i) !== 0x3a) {
        isInPlace = false
        i = skipSpace(text, i)
        if (text.charCodeAt(i) !== 0x3a) return false
      }
      let code = text.charCodeAt(++i)
      if (code <= 0x20) {
        isInPlace = false
        i = skipSpace(text, i)
        code = text.charCodeAt(i)
      }
      if (code === 0x6e) {
        if (field.required || !text.startsWith("null", i)) return false
        isInPlace = false
        i += 4
        starts[index] = -1
      } else {
        cursor.at = i
        if (!field.read(cursor)) return false
        starts[index] = i
        i = cursor.at
        ends[index] = i
        pieces[index] = cursor.piece
        if (field.required) seen++
      }
      code = text.charCodeAt(i)
      if (code <= 0x20) {
        isInPlace = false
        i = skipSpace(text, i)
        code = text.charCodeAt(i)
      }
      if (code === 0x2c) {
        if (text.charCodeAt(++i) <= 0x20) {
          isInPlace = false
          i = skipSpace(text, i)
        }
        if (text.charCodeAt(i) === 0x7d) return false
      } else if (code !== 0x7d) return false
    }
    if (seen !== required) return false
    cursor.at = i + 1
    cursor.piece = isInPlace ? inPlace(text, at, i + 1) : inOrder(text, cursor.accepted)
    return true
  }
}

const readOf = (column: ColumnType, depth: number): Read => {
  switch (column.type) {
    case "struct":
      return depth === maxDepth ? giveUp : readStruct(column.fields, depth + 1)
    case "list": {
      if (depth === maxDepth) return giveUp
      const element = readOf(column.element, depth + 1)
      return readList(column.nullable ? orNull(element) : element, sizeRule(column.rules))
    }
    case "json":
      return readJson(depth)
    case "map":
      return throughNode(checkOf(column), depth)
    case "accepted":
      return giveUp
    case "boolean":
      return readBoolean
    default: {
      const type = primitiveOf(column.type)
      const rule = valueRule(column.type, column.rules)
      return type === undefined ? readString(rule) : readPrimitive(type, rule)
    }
  }
}

/** Reads an event of these columns. */
export const eventReader = (columns: ReadonlyArray<Column>): ((cursor: Cursor) => string | undefined) => {
  const read = readStruct(columns, 1)
  return (cursor) => {
    const from = cursor.at
    if (!read(cursor)) return undefined
    return cursor.piece === "" ? cursor.text.slice(from, cursor.at) : cursor.piece
  }
}
