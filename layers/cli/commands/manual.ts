/** docs/cli.md, from the commands' own help. */
import { Effect, Option } from "effect"
import { CliOutput, Command, type HelpDoc } from "effect/cli"
import { floe } from "./floe.ts"

type Doc = HelpDoc.HelpDoc

/** What `--help` of this command would show. */
const helpOf = Effect.fnUntraced(function* (path: ReadonlyArray<string>) {
  let found: Doc | undefined
  const presenter: CliOutput.Presenter = {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Help") found = event.helpDoc
      })
  }
  yield* Command.runWith(floe, { version: "" })([...path, "--help"]).pipe(
    Effect.provideService(CliOutput.Presenter, presenter)
  )
  if (found === undefined) return yield* Effect.die(new Error(`floe ${path.join(" ")} --help showed no help`))
  return found
})

const cell = (text: string) => text.replaceAll("|", "\\|").replace(/<([^>]+)>/g, "`<$1>`")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  rows.length === 0
    ? []
    : ["", `| ${head.join(" | ")} |`, `|${"---|".repeat(head.length)}`, ...rows.map((row) => `| ${row.join(" | ")} |`)]

const described = (description: Option.Option<string>) => cell(Option.getOrElse(description, () => ""))

const section = (path: ReadonlyArray<string>, doc: Doc) => [
  "",
  `${"#".repeat(Math.min(4, path.length + 1))} floe ${path.join(" ")}`,
  "",
  cell(doc.description),
  "",
  `    ${doc.usage}`,
  ...table(
    ["argument", "meaning"],
    (doc.args ?? []).map(({ name, description }) => [`\`${name}\``, described(description)])
  ),
  ...table(
    ["flag", "meaning"],
    doc.flags.map(({ name, aliases, type, description }) => [
      [`--${name}`, ...aliases].map((flag) => `\`${flag}${type === "boolean" ? "" : ` ${type}`}\``).join(", "),
      described(description)
    ])
  ),
  ...(doc.examples === undefined || doc.examples.length === 0
    ? []
    : [
        "",
        "```sh",
        doc.examples
          .map(({ command, description }) => `${description === undefined ? "" : `# ${description}\n`}${command}`)
          .join("\n\n"),
        "```"
      ])
]

const sections = (path: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>, unknown, Command.Environment> =>
  Effect.gen(function* () {
    const doc = yield* helpOf(path)
    const names = (doc.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => name))
    const below = yield* Effect.forEach(names, (name) => sections([...path, name]))
    return [...(path.length === 0 ? [] : section(path, doc)), ...below.flat()]
  })

const introduction = `# The command line

<!-- Made from the commands' own help by npm run docs. -->

\`npx floe\`, or \`node dist/admin.js\`. Every command has \`--help\`. It looks at the profile, the data folder and the addresses that the
[settings](configuration.md) name.

| exit code | meaning |
|---|---|
| 0 | fine; also when the reader of its output has gone, such as \`head\` behind a pipe |
| 1 | something is wrong, and standard error says what in a sentence |
| 2 | misuse: an unknown command or flag (the nearest one is suggested), or a value that cannot be read |
| 130 | Ctrl-C |

Whatever only reads (\`query\`, \`audit\`, \`tail\`, \`status\`, \`doctor\`, \`table\`, \`storage\`) works for a user who may only read the data folder, on a read-only mount and on a full disk.
One exception: after a crash, a log whose \`log.db-shm\` was removed can be read only where a file can be made beside it.

Results go to standard output, all else to standard error. Colours and progress are shown on a terminal only; \`NO_COLOR\` turns colours off. What goes into a pipe or a file is neither cut nor wrapped.`

export const manual = Effect.map(sections([]), (lines) => `${[introduction, ...lines].join("\n")}\n`)
