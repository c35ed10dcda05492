/** A Schema.Struct as columns, by Effect's own representation of the schema. */
import { Option, Predicate, Schema, SchemaAST, SchemaRepresentation } from "effect"
import { type Column, type ColumnType, decimalOf, type Rules } from "../../services/StreamDefinition.ts"
import { annotation } from "../../streams/annotation.ts"
import { compileRules, flatten, inOneOrder, nameOf } from "./compileRules.ts"
import type { Fault } from "./Fault.ts"
import { hints, join, transformations, unsupported } from "./refusedSchemas.ts"

type Node = SchemaRepresentation.Representation
type Checks = ReadonlyArray<SchemaRepresentation.Check>

const Annotation = Schema.Struct({
  type: Schema.String,
  rules: Schema.optionalKey(
    Schema.Struct({
      minimum: Schema.optionalKey(Schema.String),
      maximum: Schema.optionalKey(Schema.String),
      exclusiveMinimum: Schema.optionalKey(Schema.String),
      exclusiveMaximum: Schema.optionalKey(Schema.String)
    })
  )
})
const annotationOf = Schema.decodeUnknownOption(Annotation)

const checksOf = (node: Node): Checks => ("checks" in node ? node.checks : [])

const annotationsOf = (node: Node) => [
  ...(node._tag === "Reference" ? [] : [node.annotations]),
  ...flatten(checksOf(node)).map(({ annotations }) => annotations)
]

const declaredType = (node: Node) =>
  annotationsOf(node)
    .map((annotations) => Option.getOrUndefined(annotationOf(annotations?.[annotation])))
    .find(Predicate.isNotUndefined)

const docOf = (node: Node) =>
  annotationsOf(node)
    .map((annotations) => annotations?.description)
    .findLast(Predicate.isString)

const int32 = { minimum: -2_147_483_648, maximum: 2_147_483_647 }

/** Without the limits that the type has anyway. */
const beyondInt = ({ minimum, maximum, ...rules }: Rules): Rules =>
  inOneOrder({
    ...rules,
    ...(minimum === undefined || minimum === int32.minimum ? {} : { minimum }),
    ...(maximum === undefined || maximum === int32.maximum ? {} : { maximum })
  })

const withRules = (rules: Rules | undefined) =>
  rules === undefined || Object.keys(rules).length === 0 ? {} : { rules }

const isInt = ({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Rules) => {
  const least = minimum ?? exclusiveMinimum
  const most = maximum ?? exclusiveMaximum
  return typeof least === "number" && typeof most === "number" && least >= int32.minimum && most <= int32.maximum
}

interface Compiled {
  readonly columns: ReadonlyArray<Column>
  readonly faults: ReadonlyArray<Fault>
}

/** The columns of a struct, in its order; or every fault in it. */
export const compileColumns = (schema: Schema.Top): Compiled => {
  const faults = transformations(schema.ast, "", new Set())
  const { representation, references } = SchemaRepresentation.toRepresentation(SchemaAST.toType(schema.ast))
  const fault = (path: string, sentence: string) => void faults.push({ path, sentence })
  const open = new Set<string>()

  /** Without null and undefined, and whether it had one of them. */
  const nullable = (node: Node): { node: Node; optional: boolean } => {
    if (node._tag !== "Union" || declaredType(node) !== undefined) return { node, optional: false }
    const kept = node.types.map(nullable).filter(({ node }) => node._tag !== "Null" && node._tag !== "Undefined")
    const optional = kept.length < node.types.length || kept.some((one) => one.optional)
    const [first] = kept
    if (kept.length === 1 && first !== undefined && node.checks.length === 0) return { node: first.node, optional }
    const types = kept.flatMap(({ node: { ...one } }) => (one._tag === "Union" ? one.types : [one]))
    return { node: { ...node, types }, optional }
  }

  const ruled = (checks: Checks, kind: Parameters<typeof compileRules>[1], path: string) => {
    const compiled = compileRules(checks, kind)
    for (const sentence of compiled.faults) fault(path, sentence)
    return compiled.rules ?? {}
  }

  const ofAnnotation = ({ type, rules }: typeof Annotation.Type, node: Node, path: string): ColumnType | undefined => {
    const checks = checksOf(node)
    switch (type) {
      case "int":
        return { type, ...withRules(beyondInt(ruled(checks, "number", path))) }
      case "float":
        return { type, ...withRules(ruled(checks, "number", path)) }
      case "long":
        return { type, ...withRules(ruled(checks, "long", path)) }
      case "date":
      case "time":
      case "timestamp":
      case "timestamptz":
      case "uuid":
      case "binary":
      case "json":
      case "accepted":
        if (checks.length > 0) fault(path, `a column of type ${type} takes no checks`)
        return { type }
      default: {
        const decimal = decimalOf(type)
        if (decimal === undefined) return void fault(path, `${type} is not the type of a column`)
        if (checks.length > 0) {
          fault(path, 'a decimal takes its limits as text: Column.decimal(12, 2, { minimum: "0" })')
        }
        return { type: `decimal(${decimal.precision},${decimal.scale})`, ...withRules(rules && inOneOrder(rules)) }
      }
    }
  }

  const literals = (types: ReadonlyArray<Node>, path: string): ColumnType | undefined => {
    const texts = types.map((node) => (node._tag === "Literal" ? node.literal : undefined))
    if (texts.every(Predicate.isString)) return { type: "string", rules: { oneOf: texts } }
    return void fault(
      path,
      texts.every((one) => one !== undefined)
        ? "literals can be a column only if all of them are strings"
        : "a union cannot be a column; declare a struct with an optional field for each branch, or use Column.json"
    )
  }

  const typeOf = (node: Node, path: string): ColumnType | undefined => {
    const declared = declaredType(node)
    if (declared !== undefined) return ofAnnotation(declared, node, path)
    switch (node._tag) {
      case "Reference": {
        const target = references[node.$ref]
        if (target === undefined || open.has(node.$ref)) return void fault(path, unsupported.Suspend ?? "")
        open.add(node.$ref)
        const type = typeOf(target, path)
        open.delete(node.$ref)
        return type
      }
      case "String":
        return { type: "string", ...withRules(ruled(node.checks, "string", path)) }
      case "Boolean":
        if (node.checks.length > 0) fault(path, "a boolean takes no checks")
        return { type: "boolean" }
      case "Number": {
        const names = flatten(node.checks).map(nameOf)
        const rules = ruled(node.checks, "number", path)
        if (names.includes("isInt")) {
          if (isInt(rules)) return { type: "int", ...withRules(beyondInt(rules)) }
          return void fault(
            path,
            "Schema.Int without a range of 32 bits cannot be a column; use Column.int or Column.long"
          )
        }
        if (!names.includes("isFinite")) {
          return void fault(path, "Schema.Number allows NaN and Infinity, which JSON does not have; use Schema.Finite")
        }
        return { type: "double", ...withRules(rules) }
      }
      case "Literal":
        return literals([node], path)
      case "Enum":
        return literals(
          node.enums.map(([, literal]): Node => ({ _tag: "Literal", literal, checks: [] })),
          path
        )
      case "Union":
        if (node.checks.length > 0) fault(path, "a union takes no checks")
        return literals(node.types, path)
      case "Arrays": {
        const [rest, ...more] = node.rest
        if (node.elements.length > 0 || rest === undefined || more.length > 0) {
          return void fault(path, "a tuple cannot be a column; use a struct, or an array of one type")
        }
        const { node: inner, optional } = nullable(rest)
        const element = typeOf(inner, join(path, "element"))
        const rules = ruled(node.checks, "list", path)
        return element && { type: "list", element, nullable: optional, ...withRules(rules) }
      }
      case "Objects": {
        const [index, ...more] = node.indexSignatures
        if (index === undefined) {
          if (node.checks.length > 0) fault(path, "a struct takes no checks; check its fields")
          return { type: "struct", fields: fieldsOf(node, path) }
        }
        const { parameter } = index
        if (node.propertySignatures.length > 0 || more.length > 0 || parameter._tag !== "String") {
          return void fault(
            path,
            "a record must have string keys and one type of values: Schema.Record(Schema.String, …)"
          )
        }
        if (parameter.checks.length > 0) fault(path, "the keys of a record take no checks")
        const { node: inner, optional } = nullable(index.type)
        const value = typeOf(inner, join(path, "value"))
        const rules = ruled(node.checks, "map", path)
        return value && { type: "map", value, nullable: optional, ...withRules(rules) }
      }
      case "Declaration":
        return void fault(
          path,
          hints[node.representation?.id ?? ""] ??
            "a class or a custom type cannot be a column; use a Schema.Struct or one of Column's types"
        )
      default:
        return void fault(path, unsupported[node._tag] ?? `${node._tag} cannot be a column`)
    }
  }

  const fieldsOf = (node: SchemaRepresentation.Objects, path: string): ReadonlyArray<Column> =>
    node.propertySignatures.flatMap(({ name, type, isOptional, annotations }) => {
      const where = join(path, String(name))
      if (!Predicate.isString(name)) return fault(where, "a column's name must be a string") ?? []
      const { node: inner, optional } = nullable(type)
      const compiled = typeOf(inner, where)
      if (compiled === undefined) return []
      const described = annotations?.description
      const doc = Predicate.isString(described) ? described : (docOf(type) ?? docOf(inner))
      const required = !isOptional && !optional && compiled.type !== "accepted"
      return [{ name, required, ...compiled, ...(doc === undefined ? {} : { doc }) }]
    })

  const resolved = representation._tag === "Reference" ? references[representation.$ref] : representation
  if (resolved?._tag !== "Objects" || resolved.indexSignatures.length > 0) {
    fault("", "the schema of a stream is a Schema.Struct, whose fields are the columns")
    return { columns: [], faults }
  }
  if (resolved.checks.length > 0) fault("", "a struct takes no checks; check its fields")
  const columns = fieldsOf(resolved, "")
  return { columns, faults }
}
