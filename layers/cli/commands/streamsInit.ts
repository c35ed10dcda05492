import { existsSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Effect, Schema, Stream } from "effect"
import { Command } from "effect/cli"
import { example } from "../../declaration/example.ts"
import { reasonOf } from "../../runtime/files.ts"
import { print } from "../terminal/Output.ts"

const file = "floe.streams.ts"

class NotInitialised extends Schema.TaggedError<NotInitialised>()("NotInitialised", { reason: Schema.String }) {
  override get message() {
    return `${file} was not written: ${this.reason}.`
  }
}

const packageJson = `${JSON.stringify({ private: true, type: "module" }, null, 2)}\n`

/** Whether the folder, or one above it, has a package.json. A second one would hide the packages of the first from npx. */
const isInProject = (folder: string): boolean =>
  existsSync(join(folder, "package.json")) || (dirname(folder) !== folder && isInProject(dirname(folder)))

/** Fails if the file exists. */
const write = (path: string, text: string) =>
  Effect.try({
    try: () => writeFileSync(path, text, { flag: "wx" }),
    catch: (cause) => new NotInitialised({ reason: `${path}: ${reasonOf(cause)}` })
  })

export const init = Command.make(
  "init",
  {},
  Effect.fn("floe streams init")(function* () {
    if (existsSync(file)) {
      return yield* new NotInitialised({ reason: "it exists already; floe streams check shows what it declares" })
    }
    const alone = !isInProject(process.cwd())
    yield* write(file, example)
    if (alone) yield* write("package.json", packageJson)
    yield* print(
      Stream.make(
        `Wrote ${file}${alone ? " and package.json" : ""}.\n\nCheck it with: floe streams check\nStart Floe with: floe start\n`
      )
    )
  })
).pipe(
  Command.withDescription(
    "Write floe.streams.ts into the working folder: an example with comments, ready to run. Outside of a project, it also writes a package.json. It never overwrites a file."
  ),
  Command.withShortDescription("Write an example of floe.streams.ts"),
  Command.withExamples([{ command: "floe streams init", description: "Write floe.streams.ts" }])
)
