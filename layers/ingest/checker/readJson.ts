/** Reads a value of a column of type json straight from its text: white space goes, and escapes become canonical. */
import type { Cursor, Read } from "./Cursor.ts"
import { maxDepth, maxElements, maxValues } from "./limits.ts"
import { numberEnd } from "./numbers.ts"
import { skipSpace } from "./parseNode.ts"
import { readString } from "./readPrimitive.ts"

const string = readString(undefined)

/** The canonical text, which grows by runs of the text that stand there so. */
class Output {
  text = ""
  run = 0
  /** Goes on after `to`; what is between `from` and `to` is left out. */
  skip(text: string, from: number, to: number) {
    this.text += text.slice(this.run, from)
    this.run = to
  }
}

const output = new Output()

const space = (cursor: Cursor) => {
  const { text, at } = cursor
  if (text.charCodeAt(at) > 0x20) return
  cursor.at = skipSpace(text, at)
  output.skip(text, at, cursor.at)
}

const readText = (cursor: Cursor) => {
  const { text, at } = cursor
  if (!string(cursor)) return false
  if (cursor.piece !== "") {
    output.skip(text, at, cursor.at)
    output.text += cursor.piece
  }
  return true
}

const word = (cursor: Cursor, expected: string) => {
  if (!cursor.text.startsWith(expected, cursor.at)) return false
  cursor.at += expected.length
  return true
}

const number = (cursor: Cursor) => {
  const end = numberEnd(cursor.text, cursor.at)
  if (end === -1) return false
  cursor.at = end
  return true
}

/** `: value` after a name that no other member of the object has. */
const member = (cursor: Cursor, names: Set<string>, depth: number) => {
  const { text, at } = cursor
  if (!readText(cursor)) return false
  const name = cursor.piece || text.slice(at, cursor.at)
  if (name === '"__proto__"' || names.has(name)) return false
  names.add(name)
  space(cursor)
  if (text.charCodeAt(cursor.at++) !== 0x3a) return false
  space(cursor)
  return value(cursor, depth)
}

const members = (cursor: Cursor, close: number, depth: number) => {
  const { text } = cursor
  cursor.at++
  space(cursor)
  if (text.charCodeAt(cursor.at) === close) {
    cursor.at++
    return true
  }
  const names = close === 0x7d ? new Set<string>() : undefined
  for (let count = 0; count < maxElements; count++) {
    if (!(names === undefined ? value(cursor, depth) : member(cursor, names, depth))) return false
    space(cursor)
    const code = text.charCodeAt(cursor.at++)
    if (code === close) return true
    if (code !== 0x2c) return false
    space(cursor)
  }
  return false
}

/** `depth` counts the arrays and objects around it. */
const value = (cursor: Cursor, depth: number): boolean => {
  if (++cursor.values > maxValues) return false
  const code = cursor.text.charCodeAt(cursor.at)
  switch (code) {
    case 0x7b:
    case 0x5b:
      return depth < maxDepth && members(cursor, code + 2, depth + 1)
    case 0x22:
      return readText(cursor)
    case 0x74:
      return word(cursor, "true")
    case 0x66:
      return word(cursor, "false")
    case 0x6e:
      return word(cursor, "null")
    default:
      return number(cursor)
  }
}

/** `depth` counts the arrays and objects around the value. */
export const readJson = (depth: number): Read => {
  return (cursor) => {
    const { text, at } = cursor
    output.text = ""
    output.run = at
    if (!value(cursor, depth)) return false
    cursor.piece = JSON.stringify(output.text + text.slice(output.run, cursor.at))
    return true
  }
}
