import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import * as Declaration from "../../declaration/Declaration.ts"
import { planStreams } from "../../declaration/planStreams.ts"
import { tableFault } from "../../declaration/tableFault.ts"
import * as Profile from "../../profile/Profile.ts"
import { applyStream, interruptedChange } from "../../sink/applyStream.ts"
import { colorize } from "../terminal/colorize.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { renderPlan } from "../terminal/renderPlan.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

/**
 * The declaration, and what it would change in this log; `possible` fails if it is not. A change that died half-way counts as
 * done, as it cannot be undone; with `isApplied` it is completed.
 */
export const planned = Effect.fnUntraced(function* (json: boolean, isApplied: boolean) {
  const file = yield* Declaration.required
  const compiled = yield* Declaration.read(file)
  const streams = yield* Streams
  const histories = new Map<string, ReadonlyArray<AppliedStream>>()
  const completed: Array<{ readonly stream: string; readonly version: number }> = []
  for (const { name } of compiled.streams) {
    const history = yield* streams.history(name)
    const interrupted = yield* interruptedChange(history)
    histories.set(name, interrupted === undefined ? history : [...history, interrupted])
    if (interrupted === undefined) continue
    const { version } = interrupted
    if (isApplied) yield* streams.record(interrupted)
    completed.push({ stream: name, version })
    const sentence = isApplied
      ? `${name}: an earlier change had stopped after its table had it; it is complete now, as version ${version}.`
      : `${name}: an earlier change stopped after its table had it; floe streams apply completes it first, as version ${version}.`
    if (!json) yield* print(Stream.make(`${sentence}\n`))
  }
  const plans = yield* Effect.forEach(
    planStreams(compiled, histories),
    Effect.fnUntraced(function* (plan) {
      const fault = plan.action === "create" ? yield* tableFault(plan.stream) : undefined
      return fault === undefined ? plan : { ...plan, refusals: [fault] }
    })
  )
  if (!json) yield* print(Stream.make(renderPlan(plans, yield* colorize, isApplied)))
  const sentences = plans.flatMap(({ refusals }) => refusals)
  const possible =
    sentences.length > 0 ? Effect.fail(new Declaration.DeclarationInvalid({ file, sentences })) : Effect.void
  return { compiled, plans, possible, completed }
})

export const apply = Command.make(
  "apply",
  { json },
  Effect.fn("floe streams apply")(function* ({ json }) {
    const { compiled, plans, possible, completed } = yield* planned(json, true)
    yield* possible
    const applied = completed.filter(({ stream }) => plans.find((plan) => plan.stream === stream)?.action === "none")
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
