import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { split } from "../../../layers/cli/terminal/splitStatements.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { bin } from "../../support/program.ts"
import { commitRows, reading } from "../../support/weatherTable.ts"

/** A pseudo-terminal, by util-linux's `script`. */
const hasTerminal = spawnSync("script", ["--version"]).stdout?.toString().includes("util-linux") ?? false

const ctrlC = "\u0003"
const ctrlD = "\u0004"
const up = "\u001b[A"

/** `floe query` on a terminal. */
const terminal = Effect.fnUntraced(function* (data: string, state: string) {
  const command = `'${process.execPath}' '${bin}' query`
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn("script", ["-qec", command, "/dev/null"], {
        env: { ...process.env, FLOE_DATA: data, XDG_STATE_HOME: state, TERM: "xterm", COLUMNS: "80" }
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  let output = ""
  let look = () => {}
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += stripVTControlCharacters(text)
    look()
  })
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  return {
    type: (text: string) => Effect.sync(() => child.stdin.write(text)),
    /** What was printed since the last call, once `text` is in it. */
    printed: (text: string) =>
      Effect.callback<string>((resume) => {
        look = () => {
          const end = output.indexOf(text)
          if (end < 0) return
          const printed = output.slice(0, end + text.length)
          output = output.slice(end + text.length)
          look = () => {}
          resume(Effect.succeed(printed))
        }
        look()
      }),
    ended: Effect.promise(() => ended)
  }
})

const filled = Effect.gen(function* () {
  const data = join(yield* temporaryFolder, "data")
  yield* commitRows([reading("Oslo", "41.50", "2026-01-08-14")]).pipe(
    Effect.provide(TableWriterLayer.layer.pipe(Layer.provide(LeasesLayer.layer), Layer.provide(at(data))))
  )
  return { data, state: yield* temporaryFolder }
})

describe("floe query on a terminal", () => {
  it.live.skipIf(!hasTerminal)("prompts for statements until the user leaves", () =>
    Effect.gen(function* () {
      const { data, state } = yield* filled
      const { ended, printed, type } = yield* terminal(data, state)
      yield* printed("floe> ")
      yield* type("SELECT city,\r")
      yield* printed("   -> ")
      yield* type("';' AS semicolon FROM weather; SELECT 1 AS two\r")
      assert.include(yield* printed("   -> "), " city | semicolon\r\n------+-----------\r\n Oslo | ;\r\n(1 row)")
      yield* type(";\r")
      assert.include(yield* printed("floe> "), " two\r\n-----\r\n   1\r\n(1 row)")
      // An error ends nothing.
      yield* type("SELEKT;\r")
      assert.include(yield* printed("floe> "), 'Parser Error: syntax error at or near "SELEKT"')
      // Ctrl-C drops the statement that was begun, with the line that is being typed.
      yield* type("SELECT oops\r")
      yield* printed("   -> ")
      yield* type("FROM nowhere")
      yield* printed("nowhere")
      yield* type(ctrlC)
      yield* printed("floe> ")
      yield* type("SELECT 3 AS three;\r")
      assert.include(yield* printed("floe> "), " three\r\n-------\r\n     3\r\n")
      // And it stops the statement that runs.
      yield* type(
        "SELECT 'run' || 'ning' FROM range(1) UNION ALL SELECT count(*)::VARCHAR FROM range(100000000000) a, range(10000) b;\r"
      )
      yield* printed("range(10000) b;\r")
      yield* type(ctrlC)
      assert.include(yield* printed("floe> "), "Stopped.")
      // The history is there, and in a file for the next time.
      yield* type(up)
      yield* type(up)
      yield* printed("SELECT 3 AS three;")
      yield* type("\r")
      assert.include(yield* printed("floe> "), " three\r\n")
      yield* type(ctrlD)
      assert.strictEqual(yield* ended, 0)
      const lines = readFileSync(join(state, "floe", "query_history"), "utf8").split("\n")
      assert.deepStrictEqual(lines.slice(0, 2), ["SELECT city,", "';' AS semicolon FROM weather; SELECT 1 AS two"])

      const again = yield* terminal(data, state)
      yield* again.printed("floe> ")
      yield* again.type(up)
      yield* again.printed("SELECT 3 AS three;")
      yield* again.type("\r")
      yield* again.printed("floe> ")
      yield* again.type("quit\r")
      assert.strictEqual(yield* again.ended, 0)
    }).pipe(Effect.scoped)
  )

  it("a semicolon ends a statement, except in a string, a quoted name or a comment", () => {
    assert.deepStrictEqual(split("SELECT 1; SELECT 2 ;\n"), { statements: ["SELECT 1", "SELECT 2"], rest: "" })
    assert.deepStrictEqual(split("SELECT 'a;''b;' AS \"c;\""), { statements: [], rest: "SELECT 'a;''b;' AS \"c;\"" })
    assert.deepStrictEqual(split("-- one; two\nSELECT /* ; */ 1 - 2 / 3;"), {
      statements: ["-- one; two\nSELECT /* ; */ 1 - 2 / 3"],
      rest: ""
    })
    assert.deepStrictEqual(split("SELECT 'open;\n"), { statements: [], rest: "SELECT 'open;\n" })
    assert.deepStrictEqual(split(";;\n ; "), { statements: [], rest: "" })
  })
})
