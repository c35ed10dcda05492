import { Effect } from "effect"
import { Command } from "effect/cli"
import * as Profile from "../../profile/Profile.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { declared, planned } from "./streamsApply.ts"

export const plan = Command.make(
  "plan",
  { json },
  Effect.fn("floe streams plan")(function* ({ json }) {
    const { plans, possible, processors, undeclared } = yield* planned(yield* declared, json, false)
    if (json) yield* printJson([...plans, ...processors, ...undeclared])
    yield* possible
  })
).pipe(
  Command.withDescription(
    "Compare the declaration with the streams of this log, and show what it would change in the log, the table and the server's endpoint. Floe also says what floe streams apply will do with a change that stopped half-way, also of a stream that is not declared any more. Nothing is changed. A new stream is created when the server starts; a changed one needs floe streams apply. Exit code 1 if a change is not possible."
  ),
  Command.withShortDescription("Show what the declaration would change"),
  Command.withExamples([
    { command: "floe streams plan", description: "Compare floe.streams.ts with the log" },
    { command: "floe streams plan --json", description: "As JSON" }
  ]),
  Command.provide(Profile.layer("evolution"))
)
