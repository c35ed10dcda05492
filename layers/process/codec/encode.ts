/** Values of user code as canonical JSON. */
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { maxElements } from "../../ingest/checker/limits.ts"
import { type PrimitiveType, primitiveOf } from "../../ingest/checker/primitives.ts"
import { type Rule, sizeRule, valueRule } from "../../ingest/checker/rules.ts"

/** A value that does not fit its columns. */
export class DoesNotFit extends Error {
  /** `path` is empty for the value itself. */
  constructor(path: string, message: string) {
    super(path === "" ? `it ${message}` : `${path} ${message}`)
  }
}

interface Options {
  /**
   * Only values that come back unchanged: of a state, which must be the same after a restart. Otherwise what a client could
   * send is taken too, for example a timestamptz with an offset.
   */
  readonly isExact: boolean
}

type Encode = (value: unknown, path: string) => string

const within = (path: string, name: string) => (path === "" ? name : `${path}.${name}`)

const quoted = (value: unknown, path: string): string => {
  if (typeof value !== "string") throw new DoesNotFit(path, "must be a string")
  if (!value.isWellFormed()) throw new DoesNotFit(path, "must be well-formed Unicode (it holds a lone surrogate)")
  return JSON.stringify(value)
}

const stringOf = (rule: Rule<string> | undefined): Encode => {
  if (rule === undefined) return quoted
  return (value, path) => {
    const text = quoted(value, path)
    const broken = rule(String(value))
    if (broken !== undefined) throw new DoesNotFit(path, broken)
    return text
  }
}

const converted = ({ isBoolean, ofNumber, ofString }: PrimitiveType, value: unknown) => {
  switch (typeof value) {
    case "string":
      return ofString?.(value, 0, value.length)
    case "bigint":
    case "number": {
      const text = Object.is(value, -0) ? "0" : String(value)
      return ofNumber?.(text, 0, text.length)
    }
    case "boolean":
      return isBoolean === true ? String(value) : undefined
    default:
      return undefined
  }
}

/** Whether decoding `text` gives `value` again. */
const isSame = (type: ColumnType["type"], value: unknown, text: string) =>
  type === "long" ? typeof value === "bigint" : typeof value === "number" ? Number(text) === value : value === text

const primitive = (
  type: ColumnType["type"],
  how: PrimitiveType,
  rule: Rule<string> | undefined,
  exact: boolean
): Encode => {
  return (value, path) => {
    const text = typeof value === "number" && !Number.isFinite(value) ? undefined : converted(how, value)
    if (text === undefined || (typeof value === "bigint" && type !== "long")) {
      throw new DoesNotFit(path, how.expected.replace(/, as a JSON number( or a string that holds one)?$/, ""))
    }
    const broken = rule?.(text)
    if (broken !== undefined) throw new DoesNotFit(path, broken)
    if (exact && typeof value !== "boolean" && !isSame(type, value, text)) {
      const wanted = type === "long" ? "a bigint" : `written as ${how.isQuoted ? `"${text}"` : text}`
      throw new DoesNotFit(path, `must be ${wanted} in a state, so that it is the same after a restart`)
    }
    if (exact && Object.is(value, -0)) return "-0"
    return how.isQuoted ? `"${text}"` : text
  }
}

const double =
  (isExact: boolean): Encode =>
  (value, path) => {
    if (typeof value !== "number" || !Number.isFinite(value)) throw new DoesNotFit(path, "must be a finite number")
    return Object.is(value, -0) ? (isExact ? "-0" : "0") : String(value)
  }

const int =
  (isExact: boolean): Encode =>
  (value, path) => {
    if (typeof value !== "number" || (value | 0) !== value) {
      throw new DoesNotFit(path, "must be an integer from -2147483648 to 2147483647")
    }
    return Object.is(value, -0) ? (isExact ? "-0" : "0") : String(value)
  }

const json: Encode = (value, path) => {
  const text = quoted(value, path)
  try {
    JSON.parse(String(value))
  } catch {
    throw new DoesNotFit(path, "must be a string that holds JSON")
  }
  return text
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const orNull = (encode: Encode, nullable: boolean): Encode => {
  if (!nullable) return encode
  return (value, path) => (value === null ? "null" : encode(value, path))
}

const sized = (count: number, rule: Rule<number> | undefined, path: string) => {
  if (count > maxElements) throw new DoesNotFit(path, `must have at most ${maxElements} elements`)
  const broken = rule?.(count)
  if (broken !== undefined) throw new DoesNotFit(path, broken)
}

const listOf = (element: Encode, rule: Rule<number> | undefined): Encode => {
  return (value, path) => {
    if (!Array.isArray(value)) throw new DoesNotFit(path, "must be an array")
    sized(value.length, rule, path)
    return `[${value.map((one, index) => element(one, `${path}[${index}]`)).join(",")}]`
  }
}

const mapOf = (encode: Encode, rule: Rule<number> | undefined, isExact: boolean): Encode => {
  return (value, path) => {
    if (!isObject(value)) throw new DoesNotFit(path, "must be an object")
    const names = Object.keys(value)
    sized(names.length, rule, path)
    // A state keeps its order, as user code may see it.
    if (!isExact) names.sort()
    return `{${names
      .map((name) => {
        if (name === "__proto__") throw new DoesNotFit(within(path, name), "is a name that no field may have")
        return `${quoted(name, within(path, name))}:${encode(value[name], within(path, name))}`
      })
      .join(",")}}`
  }
}

interface Field {
  readonly name: string
  readonly key: string
  readonly required: boolean
  readonly isAccepted: boolean
  readonly encode: Encode
}

/** In `accepted` is the canonical time that goes into the columns that the server sets. */
const structOf = (columns: ReadonlyArray<Column>, options: Options, accepted: { text: string }): Encode => {
  const known = new Set(columns.map(({ name }) => name))
  const fields = columns.map(
    (column): Field => ({
      name: column.name,
      key: `${JSON.stringify(column.name)}:`,
      required: column.required,
      isAccepted: column.type === "accepted",
      encode: encodeOf(column, options, accepted)
    })
  )
  return (value, path) => {
    if (!isObject(value)) throw new DoesNotFit(path, "must be an object")
    let text = ""
    for (const { encode, isAccepted, key, name, required } of fields) {
      const one = value[name]
      let part: string
      if (isAccepted) part = `"${accepted.text}"`
      else if (one !== undefined && (one !== null || options.isExact))
        part = encode(one, path === "" ? name : `${path}.${name}`)
      else if (required) throw new DoesNotFit(within(path, name), "is required")
      else continue
      text += text === "" ? key + part : `,${key}${part}`
    }
    for (const name in value) {
      if (!known.has(name) && value[name] !== undefined) throw new DoesNotFit(within(path, name), "is not a column")
    }
    return `{${text}}`
  }
}

const encodeOf = (column: ColumnType, options: Options, accepted: { text: string }): Encode => {
  switch (column.type) {
    case "struct":
      return structOf(column.fields, options, accepted)
    case "list":
      return listOf(orNull(encodeOf(column.element, options, accepted), column.nullable), sizeRule(column.rules))
    case "map":
      return mapOf(
        orNull(encodeOf(column.value, options, accepted), column.nullable),
        sizeRule(column.rules),
        options.isExact
      )
    case "json":
      return json
    default: {
      const rule = valueRule(column.type, column.rules)
      if (column.type === "string") return stringOf(rule)
      if (column.type === "double" && rule === undefined) return double(options.isExact)
      if (column.type === "int" && rule === undefined) return int(options.isExact)
      const type = primitiveOf(column.type)
      return type === undefined ? quoted : primitive(column.type, type, rule, options.isExact)
    }
  }
}

/** Most bytes of a state or a row: 1 MiB, as of an event. */
const maxBytes = 1024 * 1024

const bounded = (text: string) => {
  if (text.length > maxBytes / 3 && Buffer.byteLength(text) > maxBytes) {
    throw new DoesNotFit("", `must be at most ${maxBytes.toLocaleString("en-US")} bytes as JSON`)
  }
  return text
}

/** Of rows: `accepted` is the canonical time for the columns that the server sets. */
export const rowEncoder = (columns: ReadonlyArray<Column>) => {
  const accepted = { text: "" }
  const encode = structOf(columns, { isExact: false }, accepted)
  return (value: unknown, acceptedAt: string): string => {
    accepted.text = acceptedAt
    return bounded(encode(value, ""))
  }
}

/** Of states. */
export const stateEncoder = (columns: ReadonlyArray<Column>) => {
  const encode = structOf(columns, { isExact: true }, { text: "" })
  return (value: unknown): string => bounded(encode(value, ""))
}
