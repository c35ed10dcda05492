import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { manual } from "../../layers/cli/commands/manual.ts"
import { wrapHelp } from "../../layers/cli/terminal/Help.ts"
import * as Output from "../../layers/cli/terminal/Output.ts"
import { withTables } from "../../layers/cli/terminal/settingsTables.ts"
import { floe } from "../support/program.ts"

const page = (name: string) => readFileSync(join(import.meta.dirname, "..", "..", "docs", name), "utf8")

it.effect("docs/cli.md matches the commands' help; npm run docs generates it", () =>
  Effect.gen(function* () {
    assert.strictEqual(page("cli.md"), yield* manual)
  }).pipe(Effect.provide(Output.layer), Effect.provide(NodeServices.layer))
)

it("the tables of docs/configuration.md match the settings; npm run docs generates them", () => {
  const configuration = page("configuration.md")
  assert.strictEqual([...configuration.matchAll(/<!-- settings: \w+ -->/g)].length, 3)
  assert.strictEqual(configuration, withTables(configuration))
})

it.live(
  "the help of every command is in docs/cli.md and fits 80 columns on a terminal, except for example commands",
  () =>
    Effect.gen(function* () {
      const commands = Array.from(page("cli.md").matchAll(/^##+ floe (.+)$/gm), ([, name = ""]) => name.split(" "))
      assert.includeDeepMembers(commands, [["status"], ["doctor"], ["audit"], ["table", "describe"]])
      const helps = yield* Effect.forEach([[], ...commands], (path) => floe([...path, "--help"]), { concurrency: 2 })
      for (const { code, out, err } of helps) {
        assert.deepStrictEqual([code, err], [0, ""])
        const lines = wrapHelp(out).split("\n")
        const examples = lines.indexOf("EXAMPLES")
        if (!out.includes("SUBCOMMANDS")) assert.isAbove(examples, 0, out)
        for (const line of lines.slice(0, examples < 0 ? undefined : examples)) assert.isAtMost(line.length, 80, line)
      }
    }),
  60_000
)
