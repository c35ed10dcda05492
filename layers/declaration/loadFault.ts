/** Why a module cannot be loaded, as the end of a sentence. */

import { pathToFileURL } from "node:url"
import { stripVTControlCharacters } from "node:util"

/** The exit code of a process whose module calls process.exit. */
export const exitedEarly = 77

const codeOf = (error: unknown) => (error instanceof Error && "code" in error ? error.code : undefined)

/** `:12:3`, the first place of the file in a stack trace. */
const placeIn = (stack: string, file: string) => {
  for (const name of [pathToFileURL(file).href, file]) {
    const at = stack.indexOf(`${name}:`)
    const place = at < 0 ? null : /^:(\d+)/.exec(stack.slice(at + name.length))
    if (place !== null) return ` (line ${place[1]})`
  }
  return ""
}

const firstLine = (text: string) => stripVTControlCharacters(text).trim().split("\n")[0] ?? ""

/** `error` is what the import of `file` threw. */
export const loadFault = (error: unknown, file: string) => {
  if (!(error instanceof Error)) return `it throws ${firstLine(String(error))}`
  const message = firstLine(error.message)
  const place = placeIn(error.stack ?? "", file)
  switch (codeOf(error)) {
    case "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING":
      return `Node runs no TypeScript below node_modules; keep the module in your project, or compile it to JavaScript (${message})`
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return `Node only strips types${place}, so enum, namespace and parameter properties are not possible; use Schema.Literals in place of an enum (${message})`
    case "ERR_INVALID_TYPESCRIPT_SYNTAX":
      return `syntax error${place}: ${message}`
    case "ERR_MODULE_NOT_FOUND":
    case "MODULE_NOT_FOUND":
      return `an import is missing: ${message}; install the package, or write the path with its extension (./units.ts)`
  }
  // Effect reads `ast` of each schema.
  if (error instanceof TypeError && /undefined \(reading 'ast'\)/.test(message)) {
    return `a schema is undefined${place}; Column or Schema may have no such name (a string is Schema.String, a double Schema.Finite)`
  }
  if (error instanceof SyntaxError) return `syntax error${place}: ${message}`
  return `it throws an error while it is loaded${place}: ${message === "" ? error.name : message}`
}
