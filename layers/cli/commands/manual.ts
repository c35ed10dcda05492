/** docs/cli.md, from the commands' help. */
import { Effect, Option } from "effect"
import { CliOutput, Command, type HelpDoc } from "effect/cli"
import { floe } from "./floe.ts"

type Doc = HelpDoc.HelpDoc

const helpOf = Effect.fnUntraced(function* (path: ReadonlyArray<string>) {
  let help: Doc | undefined
  const presenter: CliOutput.Presenter = {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Help") help = event.helpDoc
      })
  }
  yield* Command.runWith(floe, { version: "" })([...path, "--help"]).pipe(
    Effect.provideService(CliOutput.Presenter, presenter)
  )
  if (help === undefined) return yield* Effect.die(new Error(`floe ${path.join(" ")} --help showed no help`))
  return help
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

<!-- Generated from the commands' help by npm run docs. -->

Run \`npx floe\` or \`node dist/admin.js\`. Every command has \`--help\`. The profile, the data folder and the addresses come from the
[settings](configuration.md).

| exit code | meaning |
|---|---|
| 0 | success, also when the reader of its output closes the pipe early (for example, \`head\`) |
| 1 | failure; standard error explains it in one sentence |
| 2 | usage error: an unknown command or flag (Floe suggests the nearest one), or an invalid value |
| 130 | interrupted with Ctrl-C |

Commands that only read (\`query\`, \`audit\`, \`tail\`, \`status\`, \`doctor\`, \`table\`, \`storage\`) work for a user with read-only access to the data folder, on a read-only mount, and on a full disk.
One exception: after a crash, a log whose \`log.db-shm\` was removed can be read only if a file can be created beside it.

Results go to standard output, everything else to standard error. Colours and progress appear only on a terminal; \`NO_COLOR\` turns colours off. Output to a pipe or a file is neither truncated nor wrapped.`

export const manual = Effect.map(sections([]), (lines) => `${[introduction, ...lines].join("\n")}\n`)
