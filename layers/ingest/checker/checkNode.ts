/** Checks one event in full: its canonical text, or every error with the path of its field. */
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { nearest } from "../../runtime/nearest.ts"
import { maxErrors } from "./limits.ts"
import type { JsonNode } from "./parseNode.ts"
import { type PrimitiveType, primitiveOf } from "./primitives.ts"
import { type Rule, sizeRule, valueRule } from "./rules.ts"

export interface FieldError {
  /** `place.lat`, `tags[2]`; empty for the event itself. */
  readonly field: string
  readonly message: string
}

export interface Context {
  /** The value of the columns that the server sets, canonical; undefined to leave them out. */
  readonly accepted: string | undefined
  readonly errors: Array<FieldError>
}

/** The canonical JSON of a value; without meaning once there is an error. */
export type Check = (node: JsonNode, path: string, context: Context) => string

const fail = ({ errors }: Context, field: string, message: string) => {
  if (errors.length < maxErrors) errors.push({ field, message })
  return ""
}

const shown = (name: string) => (name.length > 64 ? `${name.slice(0, 64)}…` : name).toWellFormed()
const within = (path: string, name: string) => (path === "" ? shown(name) : `${path}.${shown(name)}`)

const isWellFormed = (text: string, path: string, context: Context) => {
  if (text.isWellFormed()) return true
  fail(context, path, "must be well-formed Unicode (it holds a lone surrogate)")
  return false
}

const reserved = "is a name that no field may have"

/** JSON without white space; numbers keep their digits, and members their order. */
const jsonOf = (node: JsonNode, path: string, context: Context): string => {
  switch (node.kind) {
    case "null":
      return "null"
    case "boolean":
      return String(node.value)
    case "number":
      return node.source
    case "string":
      return isWellFormed(node.value, path, context) ? JSON.stringify(node.value) : ""
    case "array":
      return `[${node.elements.map((element, index) => jsonOf(element, `${path}[${index}]`, context)).join(",")}]`
    case "object": {
      const names = new Set<string>()
      const members = node.members.map(({ name, value }) => {
        const at = within(path, name)
        if (name === "__proto__") return fail(context, at, reserved)
        if (names.has(name)) return fail(context, at, "is given twice")
        if (!isWellFormed(name, at, context)) return ""
        names.add(name)
        return `${JSON.stringify(name)}:${jsonOf(value, at, context)}`
      })
      return `{${members.join(",")}}`
    }
  }
}

const json: Check = (node, path, context) => JSON.stringify(jsonOf(node, path, context))

const stringOf = (rule: Rule<string> | undefined): Check => {
  return (node, path, context) => {
    if (node.kind !== "string") return fail(context, path, "must be a string")
    if (!isWellFormed(node.value, path, context)) return ""
    const broken = rule?.(node.value)
    return broken === undefined ? JSON.stringify(node.value) : fail(context, path, broken)
  }
}

const converted = ({ ofString, ofNumber, isBoolean }: PrimitiveType, node: JsonNode) => {
  switch (node.kind) {
    case "string":
      return ofString?.(node.value, 0, node.value.length)
    case "number":
      return ofNumber?.(node.source, 0, node.source.length)
    case "boolean":
      return isBoolean === true ? String(node.value) : undefined
    default:
      return undefined
  }
}

const primitive = (type: PrimitiveType, rule: Rule<string> | undefined): Check => {
  return (node, path, context) => {
    const value = converted(type, node)
    if (value === undefined) return fail(context, path, type.expected)
    const broken = rule?.(value)
    if (broken !== undefined) return fail(context, path, broken)
    return type.isQuoted ? `"${value}"` : value
  }
}

const orNull = (check: Check, nullable: boolean): Check => {
  return (node, path, context) => {
    if (node.kind !== "null") return check(node, path, context)
    return nullable ? "null" : fail(context, path, "must not be null")
  }
}

const listOf = (element: Check, rule: Rule<number> | undefined): Check => {
  return (node, path, context) => {
    if (node.kind !== "array") return fail(context, path, "must be an array")
    const broken = rule?.(node.elements.length)
    if (broken !== undefined) return fail(context, path, broken)
    return `[${node.elements.map((one, index) => element(one, `${path}[${index}]`, context)).join(",")}]`
  }
}

const mapOf = (value: Check, rule: Rule<number> | undefined): Check => {
  return (node, path, context) => {
    if (node.kind !== "object") return fail(context, path, "must be an object")
    const broken = rule?.(node.members.length)
    if (broken !== undefined) return fail(context, path, broken)
    const values = new Map<string, string>()
    for (const member of node.members) {
      const at = within(path, member.name)
      if (member.name === "__proto__") fail(context, at, reserved)
      else if (values.has(member.name)) fail(context, at, "is given twice")
      else if (isWellFormed(member.name, at, context)) values.set(member.name, value(member.value, at, context))
    }
    const names = [...values.keys()].sort()
    return `{${names.map((name) => `${JSON.stringify(name)}:${values.get(name)}`).join(",")}}`
  }
}

const unknown = (name: string, names: ReadonlyArray<string>) => {
  const similar = name.length <= 64 ? nearest(name, names) : undefined
  return `is not a known field${similar === undefined ? "" : `; did you mean ${similar}?`}`
}

const structOf = (columns: ReadonlyArray<Column>): Check => {
  const names = columns.map(({ name }) => name)
  const known = new Set(names)
  const fields = columns.map((column) => ({
    ...column,
    check: checkOf(column),
    key: `${JSON.stringify(column.name)}:`
  }))
  return (node, path, context) => {
    if (node.kind !== "object") return fail(context, path, "must be an object")
    const given = new Map<string, JsonNode>()
    for (const { name, value } of node.members) {
      if (!known.has(name)) {
        // Names are compared for errors that are shown alone.
        const message = context.errors.length < maxErrors ? unknown(name, names) : ""
        fail(context, within(path, name), message)
      } else if (given.has(name)) fail(context, within(path, name), "is given twice")
      else given.set(name, value)
    }
    const parts: Array<string> = []
    for (const { name, type, required, check, key } of fields) {
      const value = given.get(name)
      if (type === "accepted") {
        if (value !== undefined) fail(context, within(path, name), "is set by the server")
        if (context.accepted !== undefined) parts.push(`${key}"${context.accepted}"`)
      } else if (value !== undefined && value.kind !== "null") {
        parts.push(key + check(value, within(path, name), context))
      } else if (required) fail(context, within(path, name), value === undefined ? "is required" : "must not be null")
    }
    return `{${parts.join(",")}}`
  }
}

/** Checks a value of this type. */
export const checkOf = (column: ColumnType): Check => {
  switch (column.type) {
    case "struct":
      return structOf(column.fields)
    case "list":
      return listOf(orNull(checkOf(column.element), column.nullable), sizeRule(column.rules))
    case "map":
      return mapOf(orNull(checkOf(column.value), column.nullable), sizeRule(column.rules))
    case "json":
      return json
    default: {
      const type = primitiveOf(column.type)
      const rule = valueRule(column.type, column.rules)
      return type === undefined ? stringOf(rule) : primitive(type, rule)
    }
  }
}

/** Checks an event of these columns. */
export const eventOf = structOf
