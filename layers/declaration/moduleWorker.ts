/** Loads a module of streams in a process of its own and answers with its definitions. */
import { pathToFileURL } from "node:url"
import { Predicate } from "effect"
import { compileStreams } from "./compileStreams.ts"
import { exitedEarly, loadFault } from "./loadFault.ts"
import { leadToOurCopies } from "./moduleHooks.ts"

const file = process.argv[2] ?? ""
leadToOurCopies(import.meta.url)

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
