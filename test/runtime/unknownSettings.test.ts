import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { warningsOf } from "../../layers/runtime/unknownSettings.ts"
import { settings } from "../../services/Settings.ts"
import { floe, start } from "../support/program.ts"

it("names a variable that is not a setting, with the nearest setting if there is one", () => {
  assert.deepStrictEqual(
    warningsOf(["FLOE_PROT", "FLOE_COMMIT_INTERVALL", "floe_port", "FLOE_DATA_DIR", "FLOE_COLOUR_OF_HATS"]),
    [
      "FLOE_PROT is not a setting of Floe and is ignored; did you mean FLOE_PORT?",
      "FLOE_COMMIT_INTERVALL is not a setting of Floe and is ignored; did you mean FLOE_COMMIT_INTERVAL?",
      "floe_port is not a setting of Floe and is ignored; did you mean FLOE_PORT?",
      "FLOE_DATA_DIR is not a setting of Floe and is ignored; did you mean FLOE_DATA?",
      "FLOE_COLOUR_OF_HATS is not a setting of Floe and is ignored; run floe config to list all settings."
    ]
  )
})

it("does not report settings, the variables of compose.yaml and the tests, or anything else", () => {
  const others = ["FLOE_BIND", "FLOE_WAREHOUSE", "FLOE_STACK", "FLOE_TEST_ENGINES", "PATH", "MY_FLOE_PROT"]
  assert.deepStrictEqual(warningsOf([...settings.map(({ name }) => name), ...others]), [])
})

it.live("every program and command reports it once, on standard error", () =>
  Effect.gen(function* () {
    const env = { FLOE_PROT: "1", FLOE_PORT: "nowhere", FLOE_INTERVAL: "nowhere", FLOE_COMMIT_INTERVAL: "nowhere" }
    const programs = yield* Effect.forEach(["server", "sink", "generator", "standalone"], (name) => start(name, env))
    for (const program of programs) {
      yield* Effect.promise(() => program.ended)
      assert.strictEqual(program.output().match(/did you mean FLOE_PORT\?/g)?.length, 1, program.output())
    }
    const { out, err } = yield* floe(["completions", "bash"], { FLOE_PROT: "1" })
    assert.match(err, /^FLOE_PROT is not a setting .*\n$/)
    assert.notInclude(out, "FLOE_PROT")
  }).pipe(Effect.scoped)
)
