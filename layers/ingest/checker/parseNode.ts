/** JSON without loss: numbers as their digits, every member of an object in its order, also doubled ones; within limits. */
import { maxDepth, maxElements, maxEventBytes, maxValues } from "./limits.ts"
import { numberEnd } from "./numbers.ts"

interface Member {
  readonly name: string
  readonly value: JsonNode
}

export type JsonNode =
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "number"; readonly source: string }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "null" }
  | { readonly kind: "array"; readonly elements: ReadonlyArray<JsonNode> }
  | { readonly kind: "object"; readonly members: ReadonlyArray<Member> }

interface Limits {
  readonly depth: number
  readonly elements: number
  readonly values: number
  readonly bytes: number
}

const ofEvents: Limits = { depth: maxDepth, elements: maxElements, values: maxValues, bytes: maxEventBytes }

/** Of depth alone: for a text that is in the log, where no other limit holds. */
export const ofLogged: Limits = {
  depth: maxDepth,
  elements: Number.POSITIVE_INFINITY,
  values: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY
}

/** Why a text has no node: `syntax`, or the limit that it passes. */
export type Fault = "syntax" | "depth" | "elements" | "values" | "bytes"

export const skipSpace = (text: string, at: number) => {
  let i = at
  for (;;) {
    const code = text.charCodeAt(i)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return i
    i++
  }
}

/** The index of the closing quote of a string that begins before `at`; -1 if it never ends or has a control character. */
export const quoteEnd = (text: string, at: number) => {
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) return i
    if (code === 0x5c) i++
    else if (code < 0x20) return -1
  }
  return -1
}

/** The string between two quotes; undefined if it has a wrong escape. */
export const unescaped = (text: string, from: number, to: number): string | undefined => {
  const raw = text.slice(from, to)
  if (!raw.includes("\\")) return raw
  try {
    const value: unknown = JSON.parse(`"${raw}"`)
    return typeof value === "string" ? value : undefined
  } catch {
    return undefined
  }
}

const nothing: JsonNode = { kind: "null" }
const yes: JsonNode = { kind: "boolean", value: true }
const no: JsonNode = { kind: "boolean", value: false }

/** Reads values one after another; after a fault, `fault` says why and the rest is not read. */
export class NodeReader {
  readonly text: string
  /** After the value that was read last. */
  at: number
  fault: Fault | undefined
  /** No character of the value may lie beyond. */
  readonly #limit: number
  readonly #limits: Limits
  #values = 0

  constructor(text: string, at: number, limits = ofEvents) {
    this.text = text
    this.at = at
    this.#limits = limits
    this.#limit = at + limits.bytes
  }

  /** The value at `at`, without white space before it. `depth` counts the arrays and objects around it. */
  value(depth: number): JsonNode | undefined {
    const { text, at } = this
    if (++this.#values > this.#limits.values) return this.#fail("values")
    switch (text.charCodeAt(at)) {
      case 0x7b:
        return depth === this.#limits.depth ? this.#fail("depth") : this.#object(depth + 1)
      case 0x5b:
        return depth === this.#limits.depth ? this.#fail("depth") : this.#array(depth + 1)
      case 0x22: {
        const value = this.#string()
        return value === undefined ? undefined : { kind: "string", value }
      }
      case 0x74:
        return this.#word("true", yes)
      case 0x66:
        return this.#word("false", no)
      case 0x6e:
        return this.#word("null", nothing)
      default: {
        const end = numberEnd(text, at)
        if (end === -1) return this.#fail("syntax")
        this.at = end
        return { kind: "number", source: text.slice(at, end) }
      }
    }
  }

  #fail(fault: Fault): undefined {
    this.fault = fault
  }

  #word(word: string, node: JsonNode) {
    if (!this.text.startsWith(word, this.at)) return this.#fail("syntax")
    this.at += word.length
    return node
  }

  #string() {
    const end = quoteEnd(this.text, this.at + 1)
    if (end > this.#limit) return this.#fail("bytes")
    const value = end === -1 ? undefined : unescaped(this.text, this.at + 1, end)
    if (value === undefined) return this.#fail("syntax")
    this.at = end + 1
    return value
  }

  /** After an element: true if another one follows, false at the end. */
  #more(close: number) {
    this.at = skipSpace(this.text, this.at)
    if (this.at > this.#limit) return this.#fail("bytes")
    const code = this.text.charCodeAt(this.at)
    if (code !== 0x2c && code !== close) return this.#fail("syntax")
    this.at = code === close ? this.at + 1 : skipSpace(this.text, this.at + 1)
    return code !== close
  }

  /** Into an array or object: true if it is empty, and then after it. */
  #isEmpty(close: number) {
    this.at = skipSpace(this.text, this.at + 1)
    if (this.text.charCodeAt(this.at) !== close) return false
    this.at++
    return true
  }

  #array(depth: number): JsonNode | undefined {
    const elements: Array<JsonNode> = []
    if (this.#isEmpty(0x5d)) return { kind: "array", elements }
    for (;;) {
      if (elements.length === this.#limits.elements) return this.#fail("elements")
      const element = this.value(depth)
      if (element === undefined) return undefined
      elements.push(element)
      const more = this.#more(0x5d)
      if (more === undefined) return undefined
      if (!more) return { kind: "array", elements }
    }
  }

  #object(depth: number): JsonNode | undefined {
    const members: Array<Member> = []
    if (this.#isEmpty(0x7d)) return { kind: "object", members }
    for (;;) {
      if (members.length === this.#limits.elements) return this.#fail("elements")
      const name = this.text.charCodeAt(this.at) === 0x22 ? this.#string() : this.#fail("syntax")
      if (name === undefined) return undefined
      this.at = skipSpace(this.text, this.at)
      if (this.text.charCodeAt(this.at) !== 0x3a) return this.#fail("syntax")
      this.at = skipSpace(this.text, this.at + 1)
      const value = this.value(depth)
      if (value === undefined) return undefined
      members.push({ name, value })
      const more = this.#more(0x7d)
      if (more === undefined) return undefined
      if (!more) return { kind: "object", members }
    }
  }
}

/** The node as JSON in one line. */
export const textOfNode = (node: JsonNode): string => {
  switch (node.kind) {
    case "null":
      return "null"
    case "number":
      return node.source
    case "boolean":
    case "string":
      return JSON.stringify(node.value)
    case "array":
      return `[${node.elements.map(textOfNode).join(",")}]`
    case "object":
      return `{${node.members.map(({ name, value }) => `${JSON.stringify(name)}:${textOfNode(value)}`).join(",")}}`
  }
}

/** A JSON text without loss; undefined for any other text, and past the limits, which are an event's by default. */
export const nodeOf = (text: string, limits = ofEvents): JsonNode | undefined => {
  const reader = new NodeReader(text, skipSpace(text, 0), limits)
  const node = reader.value(0)
  return node !== undefined && skipSpace(text, reader.at) === text.length ? node : undefined
}
