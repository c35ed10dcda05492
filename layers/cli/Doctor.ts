import { Effect, Schema, Stdio, Stream, Terminal } from "effect"
import { Command } from "effect/cli"
import { type Check, Checks, type Finding } from "../../services/Checks.ts"
import { sentenceOf } from "../console/Ending.ts"
import * as Profile from "../Profile.ts"
import { json, printJson } from "./Json.ts"
import { print } from "./Output.ts"
import { type Paint, paint as painter } from "./Paint.ts"
import { withProgress } from "./Progress.ts"

class Found extends Schema.TaggedError<Found>()("Found", { checks: Schema.Array(Schema.String) }) {
  override get message() {
    const { checks } = this
    return `Something is wrong: ${checks.join(", ")}.`
  }
}

const timeLimit = "15 seconds"

const unchecked = (check: Check, error: Error): Finding => ({
  finding: `It could not be checked: ${sentenceOf(error)}`,
  consequence: `Whether ${check.well.charAt(0).toLowerCase()}${check.well.slice(1).replace(/\.$/, "")} is not known.`,
  mend: "Mend that first, then run floe doctor again."
})

const examine = Effect.fnUntraced(function* (check: Check) {
  const findings = yield* check.run.pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.fail(new Error(`no answer within ${timeLimit}`))
    }),
    Effect.catch((error) => Effect.succeed([unchecked(check, error)]))
  )
  return { name: check.name, well: check.well, findings }
})

/** Words in lines of at most this width. */
const folded = (text: string, width: number, indent: string) => {
  const lines = [""]
  for (const word of text.split(" ")) {
    const last = lines.length - 1
    const extended = lines[last] === "" ? word : `${lines[last]} ${word}`
    if (indent.length + extended.length <= width || lines[last] === "") lines[last] = extended
    else lines.push(word)
  }
  return lines.join(`\n${indent}`)
}

const indent = " ".repeat(14)

const text = ({ name, well, findings }: Effect.Success<ReturnType<typeof examine>>, paint: Paint, width: number) => {
  const isWell = findings.length === 0
  const head = `${paint(isWell ? "green" : "red", isWell ? "ok  " : "ill ")} ${name.padEnd(8)} `
  if (isWell) return `${head}${folded(well, width, indent)}\n`
  const shown = findings.map(({ finding, consequence, mend }) =>
    [finding, consequence, `${paint("bold", "→")} ${mend}`]
      .map((line) => folded(line, width, indent))
      .join(`\n${indent}`)
  )
  return `${head}${shown.join(`\n${indent}`)}\n`
}

export const doctor = Command.make(
  "doctor",
  { json },
  Effect.fn("floe doctor")(function* ({ json }) {
    const { all } = yield* Checks
    const paint = yield* painter
    const terminal = yield* (yield* Stdio.Stdio).stdoutIsTerminal
    const width = terminal ? (yield* (yield* Terminal.Terminal).columns) || 80 : 80
    const examined = yield* withProgress(({ show }) =>
      Effect.forEach(all, (check) =>
        Effect.andThen(
          show(() => `checking: ${check.name}`),
          examine(check)
        )
      )
    )
    const ill = examined.filter(({ findings }) => findings.length > 0).map(({ name }) => name)
    if (json) yield* printJson({ healthy: ill.length === 0, checks: examined })
    else yield* print(Stream.fromIterable(examined.map((one) => text(one, paint, width))))
    if (ill.length > 0) return yield* new Found({ checks: ill })
  })
).pipe(
  Command.withDescription(
    "Look for what can be wrong: each check says what it found, what that leads to and what mends it. Exit code 1 if any finds something."
  ),
  Command.withShortDescription("Find what is wrong, and what mends it"),
  Command.withExamples([
    { command: "floe doctor", description: "Is anything wrong?" },
    { command: "floe doctor --json | jq '.checks[] | select(.findings != [])'", description: "Only what is wrong" }
  ]),
  Command.provide(Profile.checks)
)
