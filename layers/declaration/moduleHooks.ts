import { registerHooks } from "node:module"

/**
 * Leads `floe` and `effect` in a user's module to the copies of the calling file (`entry`, its URL): with two copies of
 * effect, a schema of one is foreign to the other.
 */
export const leadToOurCopies = (entry: string) => {
  /** Beside the entry in a build, in its own folder in the sources. */
  const floe = new URL(entry.endsWith(".ts") ? "../../streams/index.ts" : "./index.js", entry).href
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === "floe") return { url: floe, shortCircuit: true }
      const ours = specifier === "effect" || specifier.startsWith("effect/")
      return next(specifier, ours ? { ...context, parentURL: entry } : context)
    },
    // `npm init` writes "type": "commonjs", which would make `import` a syntax error in a .ts file.
    load: (url, context, next) =>
      next(url, context.format === "commonjs-typescript" ? { ...context, format: "module-typescript" } : context)
  })
  // Node warns about a package.json without "type", which is of no concern here.
  process.removeAllListeners("warning")
}
