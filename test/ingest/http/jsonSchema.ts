/** A reader of JSON Schema (2020-12) for the keywords that our document uses; any other keyword is a violation. */
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const typeOf = (value: unknown) => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "array"
  return Number.isInteger(value) ? "integer" : typeof value
}

const length = (value: unknown) => (typeof value === "string" ? [...value].length : Number.NaN)

/** Where and how a value breaks a schema; nothing if it does not. */
export const violations = (
  schema: unknown,
  value: unknown,
  definitions: Readonly<Record<string, unknown>>,
  at = "$"
): ReadonlyArray<string> => {
  if (!isObject(schema)) return [`${at}: no schema`]
  const within = (inner: unknown, innerValue: unknown, place: string) =>
    violations(inner, innerValue, definitions, place)
  const count = Array.isArray(value) ? value.length : 0
  return Object.entries(schema).flatMap(([keyword, rule]): ReadonlyArray<string> => {
    const broken = (holds: boolean) => (holds ? [] : [`${at}: ${keyword} ${JSON.stringify(rule)}`])
    switch (keyword) {
      case "$ref":
        return within(definitions[String(rule).split("/").at(-1) ?? ""], value, at)
      case "type":
        return broken(rule === typeOf(value) || (rule === "number" && typeof value === "number"))
      case "enum":
        return broken(Array.isArray(rule) && rule.includes(value))
      case "pattern":
        return broken(typeof value === "string" && new RegExp(String(rule), "u").test(value))
      case "minLength":
        return broken(length(value) >= Number(rule))
      case "maxLength":
        return broken(length(value) <= Number(rule))
      case "minimum":
        return broken(Number(value) >= Number(rule))
      case "maximum":
        return broken(Number(value) <= Number(rule))
      case "minItems":
        return broken(count >= Number(rule))
      case "maxItems":
        return broken(count <= Number(rule))
      case "items":
        return Array.isArray(value) ? value.flatMap((item, index) => within(rule, item, `${at}[${index}]`)) : []
      case "required":
        return Array.isArray(rule) && isObject(value) ? broken(rule.every((name) => Object.hasOwn(value, name))) : []
      case "properties":
        return isObject(rule) && isObject(value)
          ? Object.entries(rule).flatMap(([name, inner]) =>
              Object.hasOwn(value, name) ? within(inner, value[name], `${at}.${name}`) : []
            )
          : []
      case "additionalProperties":
        return broken(
          rule === false &&
            isObject(schema.properties) &&
            (!isObject(value) || Object.keys(value).every((name) => name in Object(schema.properties)))
        )
      case "anyOf":
        return broken(Array.isArray(rule) && rule.some((inner) => within(inner, value, at).length === 0))
      case "title":
      case "description":
      case "examples":
        return []
      default:
        return [`${at}: the keyword ${keyword} is not known`]
    }
  })
}
