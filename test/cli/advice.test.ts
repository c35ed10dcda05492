/** Commands that messages advise exist, and on the profile that prints the message. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { floe } from "../../layers/cli/commands/floe.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { inProcess } from "../support/inProcess.ts"
import { root } from "../support/program.ts"

const subcommands = (command: typeof floe | (typeof floe.subcommands)[number]["commands"][number]) =>
  command.subcommands.flatMap(({ commands }) => commands.filter(({ unlisted }) => !unlisted))
const commands = new Map(subcommands(floe).map((one) => [one.name, subcommands(one).map(({ name }) => name)]))

/** Words that may follow the name of the program or of a command in a sentence. */
const prose = ["and", "can", "cannot", "is", "does", "runs", "says"]
const onlyDistributed = /^(?:topics|table create|connector (?:register|validate|restart|delete)|dlq redrive)\b/
const embeddedRooms =
  /^layers\/(?:sink\/(?!connect\/)|log\/sqlite\/|table\/(?:iceberg|duckdb|parquet)\/|.*\bembedded\b)/

it("every command that a message names exists on its profile, under its current name", () => {
  const wrong: Array<string> = []
  let seen = 0
  for (const path of globSync(["layers/**/*.ts", "services/*.ts"], { cwd: root })) {
    const text = readFileSync(join(root, path), "utf8")
    for (const [, words = ""] of text.matchAll(/(?<![\w/."])floe ([a-z]+(?: [a-z]+)?)/g)) {
      const [first = "", second] = words.split(" ")
      if (prose.includes(first)) continue
      seen++
      const below = commands.get(first)
      const isKnown =
        below !== undefined && (below.length === 0 || second === undefined || [...below, ...prose].includes(second))
      if (!isKnown || (embeddedRooms.test(path) && onlyDistributed.test(words))) wrong.push(`${path}: floe ${words}`)
    }
  }
  assert.deepStrictEqual(wrong, [])
  assert.isAbove(seen, 50)
})

it.live("the embedded profile advises no command of Kafka Connect", () =>
  Effect.gen(function* () {
    const env = { FLOE_DATA: yield* temporaryFolder }
    const elsewhere = { FLOE_DATA: join(env.FLOE_DATA, "nowhere") }
    const { err } = yield* inProcess(["connector", "pause"], elsewhere)
    assert.include(err, `the folder ${elsewhere.FLOE_DATA} does not exist; start Floe (npm start) to create it`)
    for (const command of ["pause", "resume", "status"]) {
      const { code, err } = yield* inProcess(["connector", command, "nosuch"], env)
      assert.deepStrictEqual(
        [code, err],
        [1, "There is no connector nosuch: the embedded profile has only its sink, iceberg-sink."]
      )
    }
  }).pipe(Effect.scoped)
)
