/**
 * Decides, as the transform RequireRecord does in Kafka Connect, whether a text is a canonical event of a stream. It accepts
 * more than LoggedEvents: an event may mix the names of several versions, as the transform looks each field up by itself.
 */
import { Predicate } from "effect"
import { checkOf } from "../../ingest/checker/checkNode.ts"
import { type JsonNode, nodeOf, ofLogged } from "../../ingest/checker/parseNode.ts"
import { type PrimitiveType, primitiveOf } from "../../ingest/checker/primitives.ts"
import type { RecordColumn, RecordType } from "./recordColumns.ts"

/** The canonical JSON of a value; undefined if the value is not canonical. */
type Read = (node: JsonNode) => string | undefined

const never: Read = () => undefined

const stringOf: Read = (node) =>
  node.kind === "string" && node.value.isWellFormed() ? JSON.stringify(node.value) : undefined

const checkJson = checkOf({ type: "json" })

/** The text is a JSON value in canonical form itself. */
const jsonOf: Read = (node) => {
  const inner = node.kind === "string" ? nodeOf(node.value, ofLogged) : undefined
  if (node.kind !== "string" || inner === undefined) return undefined
  const context = { accepted: undefined, errors: [] }
  const canonical = checkJson(inner, "", context)
  return context.errors.length === 0 && canonical === JSON.stringify(node.value) ? canonical : undefined
}

const primitiveReader = ({ ofString, ofNumber, isBoolean, isQuoted }: PrimitiveType): Read => {
  return (node) => {
    if (node.kind === "boolean") return isBoolean === true ? String(node.value) : undefined
    if (isQuoted && node.kind === "string") {
      const { value } = node
      return ofString?.(value, 0, value.length) === value ? `"${value}"` : undefined
    }
    if (isQuoted || node.kind !== "number") return undefined
    const { source } = node
    return ofNumber?.(source, 0, source.length) === source ? source : undefined
  }
}

type PrimitiveName = Exclude<RecordType["type"], "struct" | "list" | "map">

const ofPrimitive = (type: PrimitiveName): Read => {
  if (type === "json") return jsonOf
  const primitive = primitiveOf(type === "accepted" ? "timestamptz" : type)
  return primitive === undefined ? stringOf : primitiveReader(primitive)
}

const orNull = (read: Read, nullable: boolean | undefined): Read => {
  return (node) => (node.kind === "null" ? (nullable === true ? "null" : undefined) : read(node))
}

const listOf = (element: Read): Read => {
  return (node) => {
    if (node.kind !== "array") return undefined
    const parts = node.elements.map(element)
    return parts.every(Predicate.isNotUndefined) ? `[${parts.join(",")}]` : undefined
  }
}

const mapOf = (value: Read): Read => {
  return (node) => {
    if (node.kind !== "object") return undefined
    const entries = new Map<string, string>()
    for (const { name, value: one } of node.members) {
      const text = value(one)
      if (text === undefined || entries.has(name) || name === "__proto__" || !name.isWellFormed()) return undefined
      entries.set(name, text)
    }
    const names = [...entries.keys()].sort()
    return `{${names.map((name) => `${JSON.stringify(name)}:${entries.get(name)}`).join(",")}}`
  }
}

const structOf = (columns: ReadonlyArray<RecordColumn>): Read => {
  const fields = columns.map((column) => ({ ...column, read: readerOf(column) }))
  const byName = new Map(
    fields.flatMap((field) => [field.name, ...(field.earlierNames ?? [])].map((name) => [name, field] as const))
  )
  return (node) => {
    if (node.kind !== "object") return undefined
    const given = new Map<RecordColumn, string>()
    for (const { name, value } of node.members) {
      const field = byName.get(name)
      const text = field === undefined ? undefined : field.read(value)
      if (field === undefined || text === undefined || given.has(field)) return undefined
      given.set(field, `${JSON.stringify(name)}:${text}`)
    }
    if (fields.some((field) => field.required === true && !given.has(field))) return undefined
    return `{${fields.flatMap((field) => given.get(field) ?? []).join(",")}}`
  }
}

const readerOf = ({ type, earlierTypes = [], fields = [], element, value, nullable }: RecordType): Read => {
  if (type === "struct") return structOf(fields)
  if (type === "list") return element === undefined ? never : listOf(orNull(readerOf(element), nullable))
  if (type === "map") return value === undefined ? never : mapOf(orNull(readerOf(value), nullable))
  const read = ofPrimitive(type)
  if (type !== "long" || !earlierTypes.includes("int")) return read
  // Of an earlier version: any other wider type has the canonical form of the narrower one.
  const readInt = ofPrimitive("int")
  return (node) => (node.kind === "number" ? readInt(node) : read(node))
}

/**
 * Gives the canonical text of an event with these columns, under the names that it has in the message; undefined for a text
 * that the transform rejects. White space, the order of members, and how a string is escaped do not matter.
 */
export const canonicalRecord = (columns: ReadonlyArray<RecordColumn>) => {
  const read = structOf(columns)
  return (text: string) => {
    const node = nodeOf(text, ofLogged)
    return node === undefined ? undefined : read(node)
  }
}
