/** What has no column, and what to use in its place. */
import type { SchemaAST, SchemaRepresentation } from "effect"
import type { Fault } from "./Fault.ts"

export const join = (path: string, name: string) => (path === "" ? name : `${path}.${name}`)

/** Of a decode step, which would make the value in the log another one than the value that was sent. */
export const transformations = (ast: SchemaAST.AST, path: string, seen: ReadonlySet<SchemaAST.AST>): Array<Fault> => {
  if (seen.has(ast) || seen.size > 100) return []
  // Declarations, for example classes, are refused by their type.
  if (ast.encoding !== undefined && ast._tag !== "Declaration") {
    return [
      {
        path,
        sentence:
          "a schema that transforms its input cannot be a column; declare the type that clients send, for example Column.timestamptz or Column.long"
      }
    ]
  }
  const inner = new Set([...seen, ast])
  switch (ast._tag) {
    case "Objects":
      return [
        ...ast.propertySignatures.flatMap(({ name, type }) => transformations(type, join(path, String(name)), inner)),
        ...ast.indexSignatures.flatMap(({ type }) => transformations(type, join(path, "value"), inner))
      ]
    case "Arrays":
      return [...ast.elements, ...ast.rest].flatMap((type) => transformations(type, join(path, "element"), inner))
    case "Union":
      return ast.types.flatMap((type) => transformations(type, path, inner))
    default:
      return []
  }
}

export const hints: Record<string, string> = {
  "effect/schema/BigDecimal": "a BigDecimal has no precision; use Column.decimal(precision, scale)",
  "effect/schema/DateTimeUtc": "a DateTime has only milliseconds; use Column.timestamptz",
  "effect/schema/Date": "a Date has only milliseconds; use Column.timestamptz or Column.date",
  "effect/schema/Uint8Array": "bytes are declared with Column.binary"
}

export const unsupported: Partial<Record<SchemaRepresentation.Representation["_tag"], string>> = {
  Unknown: "Unknown cannot be a column; use Column.json, which keeps any JSON value as text",
  Any: "Any cannot be a column; use Column.json, which keeps any JSON value as text",
  ObjectKeyword: "any object cannot be a column; use Column.json, which keeps any JSON value as text",
  BigInt: "Schema.BigInt has no largest value; use Column.long",
  TemplateLiteral: "a template literal cannot be a column; use Schema.String with isPattern",
  Suspend: "a schema that contains itself cannot be a column; use Column.json for that part",
  Null: "a column that is always null has no type",
  Undefined: "a column that is always absent has no type"
}
