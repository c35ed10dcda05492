/**
 * Recognizes events of a stream in what any program may have written into its topic: canonical values under the names of one
 * version of the stream, so that the event has a version. The connector's RequireRecord, and canonicalRecord, which repeats its
 * rule, also accept an event that mixes the names of several versions. White space and the order of fields do not matter.
 */
import type { AppliedStream, Column, ColumnType } from "../../../services/StreamDefinition.ts"
import * as Checker from "./Checker.ts"
import { checkOf } from "./checkNode.ts"
import { type JsonNode, NodeReader, skipSpace } from "./parseNode.ts"

interface Recognized {
  /** In canonical form. */
  readonly record: string
  /** The version that it has the form of. */
  readonly schemaVersion: number
}

/** `version` is what the message says; a message that says none is of the first version that it has the form of. */
export type Recognize = (text: string, version: number | undefined) => Recognized | undefined

type Canonical = (node: JsonNode) => string | undefined

const parsed = (text: string) => {
  const nodes = new NodeReader(text, skipSpace(text, 0))
  const node = nodes.value(0)
  return node !== undefined && skipSpace(text, nodes.at) === text.length ? node : undefined
}

/** The node as it was written, without white space. */
const verbatim = (node: JsonNode) => {
  switch (node.kind) {
    case "string":
      return JSON.stringify(node.value)
    case "number":
      return node.source
    case "boolean":
      return String(node.value)
    default:
      return undefined
  }
}

const checked = (type: ColumnType): Canonical => {
  const check = checkOf(type)
  return (node) => {
    const context = { accepted: undefined, errors: [] }
    const canonical = check(node, "", context)
    return context.errors.length === 0 ? canonical : undefined
  }
}

const valueOf = (type: ColumnType): Canonical => {
  const canonical = checked(type)
  return (node) => {
    const text = canonical(node)
    return text !== undefined && text === verbatim(node) ? text : undefined
  }
}

/** A string that holds canonical JSON. */
const jsonOf = (): Canonical => {
  const canonical = checked({ type: "json" })
  return (node) => {
    const inner = node.kind === "string" ? parsed(node.value) : undefined
    const text = inner === undefined ? undefined : canonical(inner)
    return text !== undefined && text === verbatim(node) ? text : undefined
  }
}

const whole = (parts: ReadonlyArray<string | undefined>, open: string, close: string) =>
  parts.includes(undefined) ? undefined : `${open}${parts.join(",")}${close}`

const orNull =
  (canonical: Canonical, nullable: boolean): Canonical =>
  (node) =>
    node.kind !== "null" ? canonical(node) : nullable ? "null" : undefined

const listOf =
  (element: Canonical): Canonical =>
  (node) =>
    node.kind === "array" ? whole(node.elements.map(element), "[", "]") : undefined

const membersOf = (node: JsonNode) => {
  if (node.kind !== "object") return undefined
  const members = new Map(node.members.map(({ name, value }) => [name, value]))
  return members.size === node.members.length && !members.has("__proto__") ? members : undefined
}

const mapOf =
  (value: Canonical): Canonical =>
  (node) => {
    const members = membersOf(node)
    if (members === undefined) return undefined
    const parts = [...members.keys()].sort().map((name) => {
      const member = members.get(name)
      const text = member === undefined || !name.isWellFormed() ? undefined : value(member)
      return text === undefined ? undefined : `${JSON.stringify(name)}:${text}`
    })
    return whole(parts, "{", "}")
  }

const structOf = (columns: ReadonlyArray<Column>): Canonical => {
  const fields = columns.map((column) => ({ ...column, canonical: canonicalOf(column) }))
  const names = new Set(columns.map(({ name }) => name))
  return (node) => {
    const members = membersOf(node)
    if (members === undefined || ![...members.keys()].every((name) => names.has(name))) return undefined
    const parts = fields.flatMap(({ name, required, type, canonical }) => {
      const member = members.get(name)
      if (member === undefined) return required && type !== "accepted" ? [undefined] : []
      const text = canonical(member)
      return [text === undefined ? undefined : `${JSON.stringify(name)}:${text}`]
    })
    return whole(parts, "{", "}")
  }
}

const canonicalOf = (type: ColumnType): Canonical => {
  switch (type.type) {
    case "struct":
      return structOf(type.fields)
    case "list":
      return listOf(orNull(canonicalOf(type.element), type.nullable))
    case "map":
      return mapOf(orNull(canonicalOf(type.value), type.nullable))
    case "json":
      return jsonOf()
    case "accepted":
      return valueOf({ type: "timestamptz" })
    default:
      return valueOf({ type: type.type })
  }
}

const hasJson = (type: ColumnType): boolean =>
  type.type === "struct"
    ? type.fields.some(hasJson)
    : type.type === "list"
      ? hasJson(type.element)
      : type.type === "map"
        ? hasJson(type.value)
        : type.type === "json"

const logged = (column: Column): Column =>
  column.type === "accepted" ? { ...column, type: "timestamptz", required: false } : column

const reading = ({ definition, version }: AppliedStream) => {
  const columns = definition.columns.map(logged)
  const canonical = structOf(definition.columns)
  // Most messages are what the door wrote, and the door's reader is several times as fast.
  const door = columns.some(hasJson) ? undefined : Checker.make({ columns })
  return (text: string): Recognized | undefined => {
    const plain = door?.json(text, { accepted: undefined, all: false })
    if (plain?._tag === "Success" && plain.success.records[0] === text) return { record: text, schemaVersion: version }
    const node = parsed(text)
    const record = node === undefined ? undefined : canonical(node)
    return record === undefined ? undefined : { record, schemaVersion: version }
  }
}

/** `history` has every version of the stream, oldest first. */
export const recognizing = (history: ReadonlyArray<AppliedStream>): Recognize => {
  const versions = history.map((applied) => ({ version: applied.version, read: reading(applied) }))
  return (text, version) => {
    for (const one of versions) {
      const found = version === undefined || version === one.version ? one.read(text) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }
}
