/**
 * Loads a module of streams in a process of its own and answers with its definitions. The module's `effect` and `floe` lead to
 * the copies that this file uses: with two copies of effect, a schema of one is foreign to the other.
 */
import { registerHooks } from "node:module"
import { pathToFileURL } from "node:url"
import { Predicate } from "effect"
import { compileStreams } from "./compileStreams.ts"
import { exitedEarly, loadFault } from "./loadFault.ts"

const file = process.argv[2] ?? ""
/** Beside this file in a build, in its own folder in the sources. */
const floe = new URL(import.meta.url.endsWith(".ts") ? "../../streams/index.ts" : "./index.js", import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === "floe") return { url: floe, shortCircuit: true }
    const ours = specifier === "effect" || specifier.startsWith("effect/")
    return next(specifier, ours ? { ...context, parentURL: import.meta.url } : context)
  },
  // `npm init` writes "type": "commonjs", which would make `import` a syntax error in a .ts file.
  load: (url, context, next) =>
    next(url, context.format === "commonjs-typescript" ? { ...context, format: "module-typescript" } : context)
})
// Node warns about a package.json without "type", which is of no concern here.
process.removeAllListeners("warning")

const exit = process.exit
process.exit = () => exit(exitedEarly)

const load = async () => {
  try {
    const exports: unknown = await import(pathToFileURL(file).href)
    return compileStreams(Predicate.isObject(exports) ? exports : {})
  } catch (error) {
    return { sentences: [loadFault(error, file)] }
  }
}

process.on("uncaughtException", (error) => process.send?.({ sentences: [loadFault(error, file)] }))
// Nothing else ends it once its parent has died.
process.on("disconnect", () => exit())
process.channel?.unref()

load().then((answer) => process.send?.(answer))
