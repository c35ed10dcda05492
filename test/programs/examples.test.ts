/** Each example as its README says: what it prints is what a user sees. */
import { cpSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { bin, built, result, root, run } from "../support/program.ts"

const examples = join(root, "examples")

/** The last event that each example's commands send. */
const lastPosition: Record<string, string> = { clicks: "clicks/0/12", orders: "orders/0/5", readings: "readings/0/21" }

/** The commands of a README in their order, each with the block that shows what it prints, if there is one. */
const commandsOf = (readme: string) =>
  [...readme.matchAll(/^```bash\n(.*?)\n```\n(?:\n```(?:json)?\n(.*?)```)?/gms)].map(([, command = "", shown]) => ({
    command,
    shown
  }))

it("there is a test for each example", () => {
  assert.sameMembers(readdirSync(examples), Object.keys(lastPosition))
})

it.live.each(Object.entries(lastPosition))(
  "%s does what its README says",
  ([name, last]) =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      cpSync(join(examples, name), cwd, { recursive: true })
      const env = {
        FLOE_DATA: join(cwd, "data"),
        FLOE_PORT: "0",
        FLOE_INTERVAL: "1 hour",
        FLOE_COMMIT_INTERVAL: "100 millis",
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`
      }
      const [start, ...commands] = commandsOf(readFileSync(join(cwd, "README.md"), "utf8"))
      assert.strictEqual(start?.command, "npx floe start")
      const floe = yield* run(process.execPath, [built("standalone")], env, { cwd })
      const [, url = ""] = yield* Effect.promise(() => floe.printed(/Floe runs at (\S+)/))
      let queries = 0
      for (const { command, shown } of commands) {
        if (command.startsWith("npx floe query")) {
          queries++
          yield* Effect.promise(() => floe.printed(new RegExp(`committed .* up to ${last} `)))
        }
        const line = command.replace("http://localhost:9998", url).replace("npx floe", `${process.execPath} ${bin}`)
        const { code, out, err } = yield* Effect.flatMap(run("sh", ["-c", line], env, { cwd }), result)
        assert.strictEqual(code, 0, `${command}\n${err}`)
        if (shown !== undefined) assert.strictEqual(`${out.trimEnd()}\n`, shown, command)
      }
      assert.isAtLeast(queries, 2)
    }),
  60_000
)
