/** The streams that a user declares: the file, and what it declares. Only the commands and programs that apply it read it. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { basename, extname, resolve } from "node:path"
import { Duration, Effect, Option, Schema } from "effect"
import { CompiledStreams } from "../../services/CompiledStreams.ts"
import * as Settings from "../../services/Settings.ts"
import { builtInNames } from "./compileStreams.ts"
import { sentenceOf } from "./Fault.ts"
import { loadModule } from "./loadModule.ts"
import { validateProcessors } from "./validateProcessor.ts"
import { validateStream } from "./validateStream.ts"

export class DeclarationInvalid extends Schema.TaggedError<DeclarationInvalid>()("DeclarationInvalid", {
  file: Schema.String,
  sentences: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.sentences.map((sentence) => `${this.file}: ${sentence}.`).join("\n")
  }
}

const deadline = Duration.seconds(10)
const defaults = ["floe.streams.ts", "floe.streams.json"]
const extensions = [".ts", ".mts", ".js", ".mjs", ".json"]

/** The file of the declaration: FLOE_STREAMS, else floe.streams.ts, else floe.streams.json in the working folder. */
export const find = Effect.gen(function* () {
  const set = Option.getOrUndefined(yield* Settings.streams)
  const file = set ?? defaults.find((name) => existsSync(name))
  if (file === undefined) return Option.none<string>()
  const invalid = (sentence: string) => new DeclarationInvalid({ file, sentences: [sentence] })
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return yield* invalid("the file does not exist (FLOE_STREAMS names it)")
  if (!found.isFile()) return yield* invalid("it is not a file; FLOE_STREAMS must name a module or a floe.streams.json")
  if (!extensions.includes(extname(file))) {
    return yield* invalid(`FLOE_STREAMS must name a file that ends in ${extensions.join(", ")}`)
  }
  return Option.some(file)
})

export const isCompiled = (file: string) => extname(file) === ".json"

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(CompiledStreams))

const readCompiled = (file: string) => {
  const compiled = Option.getOrUndefined(decode(readFileSync(file, "utf8")))
  if (compiled === undefined)
    return { sentences: ["it is not a compiled declaration; floe streams compile writes one"] }
  const names = compiled.streams.map(({ name }) => name)
  const sentences = [
    ...compiled.streams.flatMap((stream) => validateStream(stream).map((fault) => sentenceOf(stream.name, fault))),
    ...validateProcessors(compiled.processors ?? [], compiled.streams),
    ...names
      .filter((name) => builtInNames.includes(name))
      .map((name) => `stream ${name}: the name belongs to a built-in stream`),
    ...names.filter((name, index) => names.indexOf(name) !== index).map((name) => `stream ${name} is declared twice`)
  ]
  return sentences.length > 0 ? { sentences } : { compiled }
}

/** What the file declares. Fails with `DeclarationInvalid`, which has a sentence for each fault. */
export const read = Effect.fn("Declaration.read")(function* (file: string) {
  const answer = isCompiled(file)
    ? yield* Effect.try({
        try: () => readCompiled(file),
        catch: (error) => new DeclarationInvalid({ file: basename(file), sentences: [`it cannot be read (${error})`] })
      })
    : yield* loadModule(resolve(file), deadline)
  if ("sentences" in answer) return yield* new DeclarationInvalid({ file, sentences: answer.sentences })
  return answer.compiled
})

class NoDeclaration extends Schema.TaggedError<NoDeclaration>()("NoDeclaration", {}) {
  override get message() {
    return "There is no floe.streams.ts or floe.streams.json in this folder; floe streams init writes an example, and FLOE_STREAMS names another file."
  }
}

/** The file of the declaration; fails with `NoDeclaration` if there is none. */
export const required = Effect.flatMap(
  find,
  Option.match({ onNone: () => Effect.fail(new NoDeclaration()), onSome: Effect.succeed })
)
