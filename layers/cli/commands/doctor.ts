import { Effect, Schema, Stream } from "effect"
import { Command } from "effect/cli"
import { type Check, Checks, needsFix } from "../../../services/Checks.ts"
import { type CheckResult, runChecks } from "../../operate/doctor/runChecks.ts"
import * as Profile from "../../profile/Profile.ts"
import { type Colorize, colorize as painter } from "../terminal/colorize.ts"
import { outputWidth, print } from "../terminal/Output.ts"
import { withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { wrapText } from "../terminal/wrapText.ts"

class DoctorFindings extends Schema.TaggedError<DoctorFindings>()("DoctorFindings", {
  checks: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Checks failed: ${this.checks.join(", ")}.`
  }
}

const columnOf = (all: ReadonlyArray<Check>) => Math.max(8, ...all.map(({ name }) => name.length))

const text = ({ name, ok, findings, waitsFor }: CheckResult, paint: Colorize, width: number, column: number) => {
  const indent = " ".repeat(column + 6)
  const label = `${name.padEnd(column)} `
  if (waitsFor.length > 0) {
    return `${paint("dim", "--  ")} ${label}${wrapText(`Not checked: fix ${waitsFor.join(", ")} first.`, width, indent)}\n`
  }
  const isOk = findings.length === 0
  const [colour, word] = isOk
    ? (["green", "ok  "] as const)
    : needsFix(findings)
      ? (["red", "FAIL"] as const)
      : (["yellow", "warn"] as const)
  const head = `${paint(colour, word)} ${label}`
  if (isOk) return `${head}${wrapText(ok, width, indent)}\n`
  const shown = findings.map(({ finding, consequence, fix }) => {
    const sentences = [finding, consequence].map((line) => wrapText(line, width, indent))
    // Not wrapped, so that the command can be copied.
    return [...sentences, `${paint("bold", "→")} ${fix}`].join(`\n${indent}`)
  })
  return `${head}${shown.join(`\n${indent}`)}\n`
}

export const doctor = Command.make(
  "doctor",
  { json },
  Effect.fn("floe doctor")(function* ({ json }) {
    const { all } = yield* Checks
    const paint = yield* painter
    const width = yield* outputWidth
    const results = yield* withProgress(({ show }) =>
      runChecks(all, (open) => show(() => `checking: ${[...open].join(", ")}`))
    )
    const failed = results.filter(({ findings }) => needsFix(findings)).map(({ name }) => name)
    if (json) yield* printJson({ healthy: failed.length === 0, checks: results })
    else yield* print(Stream.fromIterable(results.map((one) => text(one, paint, width, columnOf(all)))))
    if (failed.length > 0) return yield* new DoctorFindings({ checks: failed })
  })
).pipe(
  Command.withDescription(
    "Check the installation. Each failed check reports the problem, its consequence, and the fix. Exit code 1 if a check fails; warnings do not change the exit code."
  ),
  Command.withShortDescription("Find problems and how to fix them"),
  Command.withExamples([
    { command: "floe doctor", description: "Check everything" },
    {
      command: "floe doctor --json | jq '.checks[] | select(.findings != [])'",
      description: "Show only checks with findings"
    }
  ]),
  Command.provide(Profile.layer("checks"))
)
