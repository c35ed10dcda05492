import { writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Option, Schema, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as Declaration from "../../declaration/Declaration.ts"
import { render } from "../../declaration/render.ts"
import { reasonOf } from "../../runtime/files.ts"
import { plural } from "../../runtime/plural.ts"
import { print } from "../terminal/Output.ts"

class NotCompiled extends Schema.TaggedError<NotCompiled>()("NotCompiled", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.file} was not compiled: ${this.reason}.`
  }
}

export const compile = Command.make(
  "compile",
  {
    output: Flag.String("output").pipe(
      Flag.withAlias("o"),
      Flag.withDescription("File to write, or - for standard output (default: floe.streams.json beside the module)"),
      Flag.optional
    )
  },
  Effect.fn("floe streams compile")(function* ({ output }) {
    const file = yield* Declaration.required
    if (Declaration.isCompiled(file)) return yield* new NotCompiled({ file, reason: "it is a compiled declaration" })
    const compiled = yield* Declaration.read(file)
    const target = Option.getOrElse(output, () => join(dirname(file), "floe.streams.json"))
    if (target === "-") return yield* print(Stream.make(render(compiled)))
    yield* Effect.try({
      try: () => writeFileSync(target, render(compiled)),
      catch: (cause) => new NotCompiled({ file, reason: `${target} cannot be written: ${reasonOf(cause)}` })
    })
    yield* print(Stream.make(`Wrote ${target} with ${plural(compiled.streams.length, "stream")}.\n`))
  })
).pipe(
  Command.withDescription(
    "Compile the module to floe.streams.json, which Floe can read in its place where the module's packages are not installed, for example in a container. The same module always gives the same bytes."
  ),
  Command.withShortDescription("Compile the declaration to floe.streams.json"),
  Command.withExamples([
    { command: "floe streams compile", description: "Write floe.streams.json" },
    { command: "floe streams compile --output -", description: "Print it" }
  ])
)
