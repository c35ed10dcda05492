/** Readers of primitive values. */
import { type Cursor, giveUp, type Read } from "./Cursor.ts"
import { maxEventBytes } from "./limits.ts"
import { numberEnd } from "./numbers.ts"
import { quoteEnd, unescaped } from "./parseNode.ts"
import type { Convert, PrimitiveType } from "./primitives.ts"
import type { Rule } from "./rules.ts"

/** The closing quote of a string without escapes; -1 for any other. */
const plainEnd = (text: string, from: number) => {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) return i
    if (code < 0x20 || code === 0x5c) return -1
  }
  return -1
}

const escaped = (cursor: Cursor, rule: Rule<string> | undefined) => {
  const { text, at } = cursor
  const end = quoteEnd(text, at + 1)
  const value = end === -1 || end - at > maxEventBytes ? undefined : unescaped(text, at + 1, end)
  if (value === undefined || !value.isWellFormed() || rule?.(value) !== undefined) return false
  cursor.piece = JSON.stringify(value)
  cursor.at = end + 1
  return true
}

export const readString = (rule: Rule<string> | undefined): Read => {
  return (cursor) => {
    const { text, at } = cursor
    if (text.charCodeAt(at) !== 0x22) return false
    const end = plainEnd(text, at + 1)
    if (end === -1) return escaped(cursor, rule)
    if (rule !== undefined && rule(text.slice(at + 1, end)) !== undefined) return false
    cursor.piece = ""
    cursor.at = end + 1
    return true
  }
}

export const readBoolean: Read = (cursor) => {
  const { text, at } = cursor
  const word = text.charCodeAt(at) === 0x74 ? "true" : "false"
  if (!text.startsWith(word, at)) return false
  cursor.piece = ""
  cursor.at = at + word.length
  return true
}

/** Whether the canonical value stands in the text as it is. */
const isThere = (value: string, text: string, from: number, to: number) =>
  value.length === to - from && text.startsWith(value, from)

const ofString = (convert: Convert, rule: Rule<string> | undefined): Read => {
  return (cursor) => {
    const { text, at } = cursor
    // No conversion takes a backslash, so this is the closing quote.
    const end = text.indexOf('"', at + 1)
    const value = end === -1 ? undefined : convert(text, at + 1, end)
    if (value === undefined || (rule !== undefined && rule(value) !== undefined)) return false
    cursor.piece = isThere(value, text, at + 1, end) ? "" : `"${value}"`
    cursor.at = end + 1
    return true
  }
}

const ofNumber = (convert: Convert, isQuoted: boolean, rule: Rule<string> | undefined): Read => {
  return (cursor) => {
    const { text, at } = cursor
    const end = numberEnd(text, at)
    const value = end === -1 ? undefined : convert(text, at, end)
    if (value === undefined || (rule !== undefined && rule(value) !== undefined)) return false
    cursor.piece = isQuoted ? `"${value}"` : isThere(value, text, at, end) ? "" : value
    cursor.at = end
    return true
  }
}

export const readPrimitive = (type: PrimitiveType, rule: Rule<string> | undefined): Read => {
  const string = type.ofString === undefined ? giveUp : ofString(type.ofString, rule)
  const number = type.ofNumber === undefined ? giveUp : ofNumber(type.ofNumber, type.isQuoted, rule)
  if (string === giveUp) return number
  if (number === giveUp) return (cursor) => cursor.text.charCodeAt(cursor.at) === 0x22 && string(cursor)
  return (cursor) => (cursor.text.charCodeAt(cursor.at) === 0x22 ? string(cursor) : number(cursor))
}
