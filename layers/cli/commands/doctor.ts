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
    const { checks } = this
    return `Something is wrong: ${checks.join(", ")}.`
  }
}

/** The width of the names. */
const columnOf = (all: ReadonlyArray<Check>) => Math.max(8, ...all.map(({ name }) => name.length))

const text = ({ name, ok, findings, waitsFor }: CheckResult, paint: Colorize, width: number, column: number) => {
  const indent = " ".repeat(column + 6)
  const label = `${name.padEnd(column)} `
  if (waitsFor.length > 0) {
    return `${paint("dim", "--  ")} ${label}${wrapText(`Not checked until this is mended: ${waitsFor.join(", ")}.`, width, indent)}\n`
  }
  const isWell = findings.length === 0
  const [colour, word] = isWell
    ? (["green", "ok  "] as const)
    : needsFix(findings)
      ? (["red", "ill "] as const)
      : (["yellow", "warn"] as const)
  const head = `${paint(colour, word)} ${label}`
  if (isWell) return `${head}${wrapText(ok, width, indent)}\n`
  const shown = findings.map(({ finding, consequence, fix }) => {
    const said = [finding, consequence].map((line) => wrapText(line, width, indent))
    // A command is to be copied: where the line is too long for it, the terminal folds it without a newline.
    return [...said, `${paint("bold", "→")} ${fix}`].join(`\n${indent}`)
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
    const examined = yield* withProgress(({ show }) =>
      runChecks(all, (open) => show(() => `checking: ${[...open].join(", ")}`))
    )
    const ill = examined.filter(({ findings }) => needsFix(findings)).map(({ name }) => name)
    if (json) yield* printJson({ healthy: ill.length === 0, checks: examined })
    else yield* print(Stream.fromIterable(examined.map((one) => text(one, paint, width, columnOf(all)))))
    if (ill.length > 0) return yield* new DoctorFindings({ checks: ill })
  })
).pipe(
  Command.withDescription(
    "Look for what can be wrong: each check says what it found, what that leads to and what mends it. Exit code 1 if any finds something wrong; warnings alone leave it at 0."
  ),
  Command.withShortDescription("Find what is wrong, and what mends it"),
  Command.withExamples([
    { command: "floe doctor", description: "Is anything wrong?" },
    { command: "floe doctor --json | jq '.checks[] | select(.findings != [])'", description: "Only what is wrong" }
  ]),
  Command.provide(Profile.layer("checks"))
)
