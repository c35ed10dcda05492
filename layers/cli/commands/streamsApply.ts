import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { Streams } from "../../../services/Streams.ts"
import * as Declaration from "../../declaration/Declaration.ts"
import { planStreams } from "../../declaration/planStreams.ts"
import { tableFault } from "../../declaration/tableFault.ts"
import * as Profile from "../../profile/Profile.ts"
import { applyStream } from "../../sink/applyStream.ts"
import { colorize } from "../terminal/colorize.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { renderPlan } from "../terminal/renderPlan.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

/** The declaration, and what it would change in this log. `possible` fails if it is not. */
export const planned = Effect.fnUntraced(function* (json: boolean, isApplied: boolean) {
  const file = yield* Declaration.required
  const compiled = yield* Declaration.read(file)
  const streams = yield* Streams
  const histories = yield* Effect.forEach(compiled.streams, ({ name }) =>
    Effect.map(streams.history(name), (history) => [name, history] as const)
  )
  const plans = yield* Effect.forEach(
    planStreams(compiled, new Map(histories)),
    Effect.fnUntraced(function* (plan) {
      const fault = plan.action === "create" ? yield* tableFault(plan.stream) : undefined
      return fault === undefined ? plan : { ...plan, refusals: [fault] }
    })
  )
  if (!json) yield* print(Stream.make(renderPlan(plans, yield* colorize, isApplied)))
  const sentences = plans.flatMap(({ refusals }) => refusals)
  const possible =
    sentences.length > 0 ? Effect.fail(new Declaration.DeclarationInvalid({ file, sentences })) : Effect.void
  return { compiled, plans, possible }
})

export const apply = Command.make(
  "apply",
  { json },
  Effect.fn("floe streams apply")(function* ({ json }) {
    const { compiled, plans, possible } = yield* planned(json, true)
    yield* possible
    const applied = []
    for (const [index, wanted] of compiled.streams.entries()) {
      if (plans[index]?.action === "none") continue
      const version = yield* withWorkProgress((onProgress) => applyStream(wanted, onProgress))
      applied.push({ stream: wanted.name, version })
      if (!json) yield* print(Stream.make(`Applied: ${wanted.name} is at version ${version}.\n`))
    }
    if (json) yield* printJson(applied)
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Apply the declaration: create the streams that are new, and change those that exist. Each stream changes first in its table and then in the log, which a running server follows within seconds. The server and the sink may run or be stopped. Floe shows the plan first, and changes nothing if a change is not possible. If it is interrupted, run it again."
  ),
  Command.withShortDescription("Make the log and the tables follow the declaration"),
  Command.withExamples([
    { command: "floe streams apply", description: "Apply floe.streams.ts" },
    { command: "floe streams apply --json", description: "Print the changed streams as JSON" }
  ]),
  Command.provide(Profile.layer("evolution"))
)
