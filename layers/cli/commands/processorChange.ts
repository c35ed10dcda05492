/** `floe processor rebuild`, `pause` and `resume`. */
import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { ProcessorRebuild } from "../../../services/ProcessorRebuild.ts"
import { ProcessorPauses } from "../../process/ProcessorPauses.ts"
import { ProcessorReports } from "../../process/ProcessorReports.ts"
import * as Profile from "../../profile/Profile.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"
import { name } from "./processorReplay.ts"

export const rebuild = Command.make(
  "rebuild",
  {
    name,
    discardOtherWriters: Flag.Boolean("discard-other-writers").pipe(
      Flag.withDescription("Proceed even if this undoes changes that another program made to a table of it"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn("floe processor rebuild")(function* ({ discardOtherWriters, json, name }) {
    const { run } = yield* ProcessorRebuild
    const { names, tables } = yield* Effect.scoped(
      withWorkProgress((onProgress) => run(name, { otherWriters: discardOtherWriters }, onProgress), {
        hint: "Ctrl-C stops it; the same command completes it, or begins again",
        left: "Stopped. Run the same command again: it completes the rebuild, or begins again."
      })
    )
    if (json) return yield* printJson({ processors: names, tables })
    const others = names.slice(1)
    const verb = others.length === 1 ? "reads" : "read"
    const also = others.length === 0 ? "" : `, with ${others.join(", ")}, which ${verb} what it writes`
    const inPlace = tables.length === 0 ? "" : ` In place: ${tables.map((table) => `default.${table}`).join(", ")}.`
    yield* print(Stream.make(`Rebuilt: ${names[0]}${also}.${inPlace}\n`))
  })
).pipe(
  Command.withDescription(
    "Recompute the rows and the state of a processor from the log, with the functions and windows that the module has now, then replace the old ones and their tables in one step. Running queries continue, and older snapshots stay available to --as-of. Processors that read its rows are rebuilt too. Programs can keep running; the one that runs the processors reloads the module. If the command is interrupted, run it again."
  ),
  Command.withShortDescription("Recompute a processor's rows from the log"),
  Command.withExamples([
    { command: "floe processor rebuild hourly_mean", description: "After its functions or its window changed" }
  ]),
  Command.provide(Profile.layer("processorRebuild"))
)

const setPaused = (isPaused: boolean) =>
  Effect.fnUntraced(function* ({ name }: { readonly name: string }) {
    const { definition, lag } = yield* (yield* ProcessorReports).find(name)
    yield* (yield* ProcessorPauses).set(name, isPaused)
    const outcome = isPaused
      ? `Paused: ${name} keeps its place. ${definition.from} goes on; floe processor resume ${name} lets it catch up.`
      : `Resumed: ${name} has ${lag.toLocaleString("en-US")} events to process.`
    yield* print(Stream.make(`${outcome}\n`))
  })

export const pause = Command.make("pause", { name }, setPaused(true)).pipe(
  Command.withDescription(
    "Pause a processor, also over restarts. Its input goes on, its rows stay, and processors that read them wait. A batch that is being processed is finished first, within half a second."
  ),
  Command.withShortDescription("Pause a processor"),
  Command.withExamples([{ command: "floe processor pause hourly_mean", description: "Pause a processor" }]),
  Command.provide(Profile.layer("processorReports")),
  Command.provide(Profile.layer("processorPauses"))
)

export const resume = Command.make("resume", { name }, setPaused(false)).pipe(
  Command.withDescription("Resume a paused processor where it was."),
  Command.withShortDescription("Resume a paused processor"),
  Command.withExamples([{ command: "floe processor resume hourly_mean", description: "Resume a processor" }]),
  Command.provide(Profile.layer("processorReports")),
  Command.provide(Profile.layer("processorPauses"))
)
