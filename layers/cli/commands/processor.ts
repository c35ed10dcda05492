import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { typeText } from "../../declaration/compareStreams.ts"
import { type ProcessorReport, ProcessorReports } from "../../process/ProcessorReports.ts"
import * as Profile from "../../profile/Profile.ts"
import { pathsIn } from "../terminal/columnText.ts"
import { count, facts, list as print, text, time } from "../terminal/listing.ts"
import { print as write } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { kindText, lengthText } from "../terminal/processorText.ts"
import { pause, rebuild, resume } from "./processorChange.ts"
import { name as argument, at, test } from "./processorReplay.ts"

const name = text("processor", ({ definition }: ProcessorReport) => definition.name)
const watermark = ({ watermark }: ProcessorReport) => (watermark === null ? null : time(watermark))

const countedByOffsets =
  "The numbers of rows, late events and dead letters are upper bounds: Floe counts offsets, and every transaction takes one as well."

const list = Command.make(
  "list",
  { json },
  Effect.fn("floe processor list")(function* ({ json }) {
    const reports = yield* (yield* ProcessorReports).all
    yield* print(
      [
        name,
        text("kind", ({ definition }: ProcessorReport) => kindText(definition)),
        text("from", ({ definition }: ProcessorReport) => definition.from),
        text("to", ({ definition }: ProcessorReport) => definition.to),
        text("state", ({ state }: ProcessorReport) => state)
      ],
      Stream.fromIterable(reports),
      json
    )
  })
).pipe(
  Command.withDescription("List the processors of this log: what each reads and writes, and whether it runs."),
  Command.withShortDescription("List the processors of this log"),
  Command.withExamples([{ command: "floe processor list", description: "List the processors" }]),
  Command.provide(Profile.layer("processorReports"))
)

const status = Command.make(
  "status",
  { json },
  Effect.fn("floe processor status")(function* ({ json }) {
    const reports = yield* (yield* ProcessorReports).all
    yield* print(
      [
        name,
        text("state", ({ state }: ProcessorReport) => state),
        count("lag", ({ lag }: ProcessorReport) => lag),
        count("events/s", ({ rate }: ProcessorReport) => (rate === null ? null : Math.round(rate))),
        text("watermark", watermark),
        count("open", ({ open }: ProcessorReport) => open),
        count("rows", ({ rows }: ProcessorReport) => rows),
        count("late", ({ late }: ProcessorReport) => late),
        count("dead", ({ deadLetters }: ProcessorReport) => deadLetters)
      ],
      Stream.fromIterable(reports),
      json
    )
    if (json) return
    if (reports.some(({ isAtMost }) => isAtMost)) yield* write(Stream.make(`\n${countedByOffsets}\n`))
    const reasons = reports.flatMap(({ reason }) => (reason === null ? [] : `\n${reason}\n`))
    yield* write(Stream.fromIterable(reasons))
  })
).pipe(
  Command.withDescription(
    "Show how far each processor is: events of its input that it has not processed (lag), its watermark, its open windows or keys, and what it has written: rows, late events and dead letters. A processor that is stopped is shown with the reason."
  ),
  Command.withShortDescription("Show how far each processor is"),
  Command.withExamples([
    { command: "floe processor status", description: "All processors" },
    { command: "floe processor status --json", description: "As JSON" }
  ]),
  Command.provide(Profile.layer("processorReports"))
)

const describe = Command.make(
  "describe",
  { name: argument, json },
  Effect.fn("floe processor describe")(function* ({ name, json }) {
    const report = yield* (yield* ProcessorReports).find(name)
    if (json) return yield* printJson(report)
    const { definition, isAtMost = false, late, next, open, reason, rows, state } = report
    const counted = (count: number) => `${isAtMost && count > 0 ? "at most " : ""}${count.toLocaleString("en-US")}`
    // Of several partitions it is a sum.
    const place = isAtMost ? `${counted(report.lag)} events behind` : `${definition.from}/0/${next} is next`
    const isWindow = definition.window !== null
    yield* facts([
      ["processor", definition.name],
      ...(definition.doc === undefined ? [] : [["description", definition.doc] as const]),
      ["kind", kindText(definition)],
      [
        "reads",
        `${definition.from}${definition.rekeyed || definition.ownKey === true ? ", by another key" : ""}; ${place}`
      ],
      ["writes", `${definition.to}, ${counted(rows)} so far`],
      ...(isWindow
        ? [
            ["late events", `${definition.late}, ${counted(late)} so far`] as const,
            ["out of order", definition.outOfOrder === 0 ? "none" : lengthText(definition.outOfOrder)] as const,
            ["lateness", definition.lateness === 0 ? "none" : lengthText(definition.lateness)] as const,
            ["watermark", watermark(report) ?? "none yet"] as const
          ]
        : []),
      ...(definition.state.length === 0
        ? []
        : [
            [
              "open",
              `${(open ?? 0).toLocaleString("en-US")}${isAtMost ? "" : ` (SELECT * FROM ${name}_state)`}`
            ] as const
          ]),
      ["on error", definition.onError === "stop" ? "stop" : "dead letter"],
      ["state", reason === null ? state : `${state}: ${reason}`]
    ])
    if (definition.state.length === 0) return
    yield* write(Stream.make("\n"))
    yield* print(
      [
        text("column of the state", ({ path }: ReturnType<typeof pathsIn>[number]) => path),
        text("type", ({ type }: ReturnType<typeof pathsIn>[number]) => typeText(type))
      ],
      Stream.fromIterable(pathsIn(definition.state)),
      false
    )
  })
).pipe(
  Command.withDescription(
    "Show a processor of this log: its streams, its windows, how far it is, and the columns of its state."
  ),
  Command.withShortDescription("Show a processor"),
  Command.withExamples([{ command: "floe processor describe hourly_mean", description: "Show a processor" }]),
  Command.provide(Profile.layer("processorReports"))
)

export const processor = Command.make("processor").pipe(
  Command.withDescription(
    "Processors: streams that are derived from other streams. The module of streams declares them, npm start or node dist/processor.js runs them. docs/processing.md is the guide."
  ),
  Command.withShortDescription("Inspect, test and rebuild streams that are derived from others"),
  Command.withSubcommands([list, describe, status, test, at, rebuild, pause, resume])
)
