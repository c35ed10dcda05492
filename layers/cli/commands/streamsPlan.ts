import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { Streams } from "../../../services/Streams.ts"
import * as Declaration from "../../declaration/Declaration.ts"
import { planStreams } from "../../declaration/planStreams.ts"
import * as Profile from "../../profile/Profile.ts"
import { colorize } from "../terminal/colorize.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { renderPlan } from "../terminal/renderPlan.ts"

export const plan = Command.make(
  "plan",
  { json },
  Effect.fn("floe streams plan")(function* ({ json }) {
    const file = yield* Declaration.required
    const compiled = yield* Declaration.read(file)
    const streams = yield* Streams
    const histories = yield* Effect.forEach(compiled.streams, ({ name }) =>
      Effect.map(streams.history(name), (history) => [name, history] as const)
    )
    const plans = planStreams(compiled, new Map(histories))
    if (json) yield* printJson(plans)
    else yield* print(Stream.make(renderPlan(plans, yield* colorize)))
    const sentences = plans.flatMap(({ refusals }) => refusals)
    if (sentences.length > 0) return yield* new Declaration.DeclarationInvalid({ file, sentences })
  })
).pipe(
  Command.withDescription(
    "Show what the declaration would change in the log, the table and the server's endpoint, compared with the streams of this log. Nothing is changed. A new stream is created when the server starts; a changed one needs floe streams apply. Exit code 1 if a change is not possible."
  ),
  Command.withShortDescription("Show what the declaration would change"),
  Command.withExamples([
    { command: "floe streams plan", description: "Compare floe.streams.ts with the log" },
    { command: "floe streams plan --json", description: "As JSON" }
  ]),
  Command.provide(Profile.layer("streams"))
)
