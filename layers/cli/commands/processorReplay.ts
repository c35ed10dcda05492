/** `floe processor test` and `at`: a processor runs again over the log. */
import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"
import { Effect, Option, Schema, Scope, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { type Place, ProcessorReplays, type Rerun } from "../../process/ProcessorReplays.ts"
import { ProcessorReports } from "../../process/ProcessorReports.ts"
import type { StreamDifference } from "../../process/RowComparison.ts"
import { ReplayFailed } from "../../process/replayInProcess.ts"
import { stateColumns } from "../../process/sqlite/stateLines.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { describeTime, parse as parseTime } from "../terminal/asOfFlag.ts"
import { list, text, whole } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { counted, withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { usageError } from "../terminal/usageError.ts"

export const name = Argument.String("name").pipe(Argument.withDescription("Name of the processor"))

const millisOf = (text: string) =>
  Option.flatMap(parseTime(text), (one) => (one._tag === "Time" ? Option.some(one.millis) : Option.none()))

const timeFlag = (flag: string, description: string) =>
  Flag.String(flag).pipe(
    Flag.withDescription(`${description} (2026-01-08T14:30, in UTC)`),
    Flag.withMetavar("time"),
    Flag.filterMap(millisOf, (text) => `Expected a time (2026-01-08T14:30), but got ${describeTime(text)}`),
    Flag.optional
  )

/** Runs a replay with a progress line. */
export const replaying = <A, E, R>(
  use: (onProgress: (events: number, of: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
) =>
  withProgress(({ show }) =>
    use((events, of) => show(() => `${counted(events)} of ${counted(of)} events processed again`))
  )

const exampleLine = ({ kind, row }: StreamDifference["examples"][number]) =>
  `  ${kind === "added" ? "+" : "-"} ${row}\n`

/** What differs in a stream, in lines; `moved` if only the order does. */
export const differenceText = ({ added, examples, firstAt, isCut, removed, same, stream }: StreamDifference) => {
  if (firstAt === null) return `${stream}: ${plural(same, "row is the same", "rows are the same")}.\n`
  if (added + removed === 0) {
    return `${stream}: ${plural(same, "row is the same", "rows are the same")}, but in another order from row ${firstAt} on.\n`
  }
  const more = isCut
    ? "; more than 100,000 rows differ, and the comparison ended there"
    : `, ${counted(same)} stay the same`
  const rest = added + removed - examples.length
  const others = rest > 0 ? `  and ${counted(rest)} more\n` : ""
  return `${stream}: ${plural(added, "row would come", "rows would come")}, ${plural(removed, "row would go", "rows would go")}${more}.\n${examples.map(exampleLine).join("")}${others}`
}

/** How far a processor ran again. */
export const placesText = ({ reads, upTo }: Pick<Rerun, "reads" | "upTo">) =>
  upTo.map(({ offset, partition }) => `${reads}/${partition}/${offset}`).join(", ")

export const differs = ({ streams }: Pick<Rerun, "streams">) => streams.some(({ firstAt }) => firstAt !== null)

export const test = Command.make(
  "test",
  {
    name,
    fromLog: Flag.Boolean("from-log").pipe(
      Flag.withDescription("Run it over the events of the log"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    from: timeFlag("from", "Compare only rows of events accepted from then on"),
    to: timeFlag("to", "Compare only rows of events accepted before then"),
    json
  },
  Effect.fn("floe processor test")(function* ({ from, fromLog, json, name, to }) {
    if (!fromLog) {
      return yield* usageError(
        ["floe", "processor", "test"],
        "Give --from-log; tests with events of your own are functions (given, in floe/testing)."
      )
    }
    yield* (yield* ProcessorReports).find(name)
    const { rerun } = yield* ProcessorReplays
    const result = yield* replaying((onProgress) =>
      rerun(name, { from: Option.getOrUndefined(from), before: Option.getOrUndefined(to), onProgress })
    )
    const { definition, streams, until, waiting } = result
    if (json) return yield* printJson({ processor: name, until, waiting, streams })
    yield* print(Stream.fromIterable(streams.map(differenceText)))
    if (waiting === 0 || Option.isSome(to)) return
    yield* print(
      Stream.make(
        `Compared up to ${placesText(result)}, where ${name} is: ${plural(waiting, "later event")} of ${definition.from} did not run.\n`
      )
    )
  })
).pipe(
  Command.withDescription(
    "Run the module's processor over the log from its start, up to where the running one is, and show which of its rows would differ: + for rows that would come, - for rows that would go. Nothing is changed. The new rows are kept in a temporary folder meanwhile (TMPDIR)."
  ),
  Command.withShortDescription("Run new code over the log, and show which rows would differ"),
  Command.withExamples([
    { command: "floe processor test hourly_mean --from-log", description: "Before the changed module is started" },
    {
      command: "floe processor test hourly_mean --from-log --from 2026-01-08 --json",
      description: "Only rows of events accepted since then, as JSON"
    }
  ]),
  Command.provide(Profile.layer("processorReports")),
  Command.provide(Profile.layer("processorReplays"))
)

const StateLine = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))
const decodeLine = Schema.decodeUnknownSync(StateLine)

const linesOf = (path: string) =>
  Stream.fromAsyncIterable(
    createInterface({ input: createReadStream(path) }),
    (cause) => new ReplayFailed({ reason: `The state cannot be read: ${String(cause)}.` })
  )

const cellOf = (value: Schema.Json | undefined) =>
  value === undefined ? null : typeof value === "object" && value !== null ? JSON.stringify(value) : value

export const at = Command.make(
  "at",
  {
    name,
    offset: Flag.Int("offset").pipe(
      Flag.withDescription("The state before this event of the input"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      Flag.withMetavar("number"),
      Flag.optional
    ),
    partition: Flag.Int("partition").pipe(
      Flag.withDescription("With --offset: the state of this partition of the input alone (distributed profile)"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      Flag.withMetavar("number"),
      Flag.optional
    ),
    time: timeFlag("time", "The state before the first event that was accepted then or later"),
    json
  },
  Effect.fn("floe processor at")(function* ({ json, name, offset, partition, time }) {
    const places: ReadonlyArray<Place> = [
      ...Option.toArray(Option.map(offset, (offset) => ({ offset, partition: Option.getOrUndefined(partition) }))),
      ...Option.toArray(Option.map(time, (time) => ({ time })))
    ]
    const [place] = places
    if (place === undefined || places.length > 1) {
      return yield* usageError(["floe", "processor", "at"], "Give --offset or --time.")
    }
    if (Option.isSome(partition) && Option.isNone(offset)) {
      return yield* usageError(["floe", "processor", "at"], "--partition needs --offset.")
    }
    const { definition } = yield* (yield* ProcessorReports).find(name)
    if (definition.state.length === 0) {
      return yield* usageError(["floe", "processor", "at"], `${name} has no state; it is a ${definition.kind}.`)
    }
    const { stateAt } = yield* ProcessorReplays
    // Its file is read after the progress line has gone.
    const scope = yield* Effect.scope
    const past = yield* replaying((onProgress) => Scope.provide(stateAt(name, place, onProgress), scope))
    const rows = Stream.map(linesOf(past.lines), (line) => decodeLine(line))
    const columns = stateColumns(past.definition).map(({ name }, index) =>
      (index === 0 ? whole : text)(name, (row: ReturnType<typeof decodeLine>) => cellOf(row[name]))
    )
    yield* list(columns, rows, json)
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Show the state of a processor as it was before an event of its input: Floe runs the module's processor over the log up to there. Nothing is changed."
  ),
  Command.withShortDescription("Show the state as of an event or a time"),
  Command.withExamples([
    { command: "floe processor at hourly_mean --offset 1000", description: "After the first 1,000 events" },
    { command: "floe processor at hourly_mean --time 2026-01-08T14:30", description: "As of a time" }
  ]),
  Command.provide(Profile.layer("processorReports")),
  Command.provide(Profile.layer("processorReplays"))
)
