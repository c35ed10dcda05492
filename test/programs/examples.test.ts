/** The examples and the guide, run as they say: what they show is what a user sees. */
import { cpSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { bin, built, floe, result, root, run } from "../support/program.ts"

const examples = join(root, "examples")

/** The last event that each example's commands send. */
const lastPosition: Record<string, string> = { clicks: "clicks/0/12", orders: "orders/0/5", readings: "readings/0/21" }

/** The commands of a page in their order, each with the block that shows what it prints, if there is one. */
const commandsOf = (page: string) =>
  [...page.matchAll(/^```bash\n(.*?)\n```\n(?:\n```(?:json)?\n(.*?)```)?/gms)].map(([, command = "", shown]) => ({
    command,
    shown
  }))

/** Starts Floe in the folder, and runs the commands as a user does, in one terminal after the other. */
const follow = Effect.fnUntraced(function* (cwd: string, last: string, commands: ReturnType<typeof commandsOf>) {
  const env = {
    FLOE_DATA: join(cwd, "data"),
    FLOE_PORT: "0",
    FLOE_INTERVAL: "1 hour",
    FLOE_COMMIT_INTERVAL: "100 millis",
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`
  }
  const program = yield* run(process.execPath, [built("standalone")], env, { cwd })
  const [, url = ""] = yield* Effect.promise(() => program.printed(/Floe runs at (\S+)/))
  let queries = 0
  for (const { command, shown } of commands) {
    if (command.startsWith("npx floe query")) {
      queries++
      yield* Effect.promise(() => program.printed(new RegExp(`committed .* up to ${last} `)))
    }
    const line = command.replace(/(http:\/\/)?localhost:9998/, url).replace("npx floe", `${process.execPath} ${bin}`)
    const { code, out, err } = yield* Effect.flatMap(run("sh", ["-c", line], env, { cwd }), result)
    assert.strictEqual(code, 0, `${command}\n${err}`)
    if (shown !== undefined) assert.strictEqual(`${out.trimEnd()}\n`, shown, command)
  }
  return queries
})

it("there is a test for each example", () => {
  assert.sameMembers(readdirSync(examples), Object.keys(lastPosition))
})

it.live.each(Object.entries(lastPosition))(
  "%s does what its README says",
  ([name, last]) =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      cpSync(join(examples, name), cwd, { recursive: true })
      const [start, ...commands] = commandsOf(readFileSync(join(cwd, "README.md"), "utf8"))
      assert.strictEqual(start?.command, "npx floe start")
      assert.isAtLeast(yield* follow(cwd, last, commands), 2)
    }),
  60_000
)

it.live(
  "docs/streams.md goes from nothing to a query",
  () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      const page = readFileSync(join(root, "docs", "streams.md"), "utf8")
      const [start, ...commands] = commandsOf(page.slice(0, page.indexOf("### In a project of your own")))
      assert.match(start?.command ?? "", /^npx floe streams init .*\nnpm start /)
      assert.strictEqual((yield* floe(["streams", "init"], {}, { cwd })).code, 0)
      assert.strictEqual(yield* follow(cwd, "readings/0/0", commands), 1)
    }),
  60_000
)
