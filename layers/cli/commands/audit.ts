import { Effect, Option, Result, Schedule, Schema, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import type { Position } from "../../../services/EventLog.ts"
import { profile } from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { describeChange, groupColumn } from "../../../services/TableChecksums.ts"
import { Hour, weatherStream } from "../../../services/Weather.ts"
import { type AuditReport, audit as reconcile } from "../../operate/audit/audit.ts"
import type { Example } from "../../operate/audit/compareHour.ts"
import { ProcessorReplays, type Rerun } from "../../process/ProcessorReplays.ts"
import * as Profile from "../../profile/Profile.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import { isDay } from "../terminal/asOfFlag.ts"
import { type Colorize, colorize as painter } from "../terminal/colorize.ts"
import { cell } from "../terminal/formatTable.ts"
import { print } from "../terminal/Output.ts"
import { counted, withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { streamFlag, streamNamed } from "../terminal/streamFlag.ts"
import { usageError } from "../terminal/usageError.ts"
import { differenceText, differs, placesText, replaying } from "./processorReplay.ts"

class AuditMismatch extends Schema.TaggedError<AuditMismatch>()("AuditMismatch", {
  missing: Schema.Int,
  extra: Schema.Int,
  advice: Schema.String
}) {
  override get message() {
    return `The table differs from the log: ${plural(this.missing, "row")} missing, ${counted(this.extra)} extra. ${this.advice}`
  }
}

class NoTable extends Schema.TaggedError<NoTable>()("NoTable", { advice: Schema.String }) {
  override get message() {
    return `There is no table yet to compare with the log; ${this.advice}.`
  }
}

const makesTable = {
  embedded: "start the sink (npm start) and log a record",
  distributed: "run floe table create, then floe connector register"
}

const creation = (profile: "embedded" | "distributed", { definition: { name } }: AppliedStream) => {
  if (name === weatherStream.definition.name) return makesTable[profile]
  return profile === "distributed"
    ? `run floe table create --stream ${name}`
    : "start the sink (npm start) and log an event"
}

/** A processor does not write again what its output has. */
class ProcessorMismatch extends Schema.TaggedError<ProcessorMismatch>()("ProcessorMismatch", { name: Schema.String }) {
  override get message() {
    return `The processor ${this.name}, run again over its input, gives other rows than its output has. If its functions were changed since, run floe processor rebuild ${this.name} to have all rows by the new ones.`
  }
}

/** Runs the processor that writes a stream again, and compares its rows with those in the log. */
const rerunOf = (writer: string) =>
  Effect.gen(function* () {
    const { rerun } = yield* ProcessorReplays
    return yield* replaying((onProgress) => rerun(writer, { onProgress }))
  }).pipe(Effect.provide(Profile.layer("processorReplays")))

const rerunText = (rerun: Rerun) =>
  `\nThe processor ${rerun.definition.name}, run again over ${rerun.definition.from} up to ${placesText(rerun)}:\n${rerun.streams.map(differenceText).join("")}`

/** Rows of the stream in the log, as far as they were compared. */
const rowsIn = ({ streams }: Rerun, { definition: { name } }: AppliedStream) =>
  streams.reduce((sum, { removed, same, stream }) => (stream === name ? sum + same + removed : sum), 0)

/** The table may hold the only copy of events that the log has lost. */
const advices = {
  whole: "Run floe rebuild --into <table> to rebuild it from the log.",
  others:
    "Run floe rebuild --into <table> to rebuild it from the log; --promote also undoes what other writers changed, and needs --discard-other-writers.",
  cut: "The log has lost its first events, so keep this table: a table rebuilt from the log would lack them."
}

const isHour = Schema.decodeUnknownOption(Hour)
const dayOf = (hour: string) => hour.slice(0, 10)
const hourOf = (text: string) => Option.filter(isHour(text), (hour) => isDay(dayOf(hour)))
const describeHour = (text: string) => (Option.isSome(isHour(text)) ? `${text}, a day that does not exist` : text)

const hour = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar("YYYY-MM-DD-HH"),
    Flag.filterMap(hourOf, (text) => `Expected an hour (for example, 2026-01-08-14), but got ${describeHour(text)}`),
    Flag.optional
  )

const places = (positions: ReadonlyArray<Position>) =>
  positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")

/** Where the log begins in each partition that has lost its first events. */
const truncated = ({ from }: AuditReport) => from.filter(({ offset }) => offset > 0)

const columns = (group: string) => [group, "logged", "in table", "missing", "extra"]

const cells = ({ extra, inTable, logged, missing }: Omit<AuditReport["hours"][number], "ts" | "byOthers">) =>
  [logged, inTable, missing, extra].map(counted)

const withOthers = (report: AuditReport, group: string) => {
  if (report.hours.every(({ byOthers }) => byOthers === 0))
    return { names: columns(group), hours: report.hours.map(cells), all: cells(report) }
  const signed = (count: number) => `${count > 0 ? "+" : ""}${counted(count)}`
  const inserted = <A>(row: ReadonlyArray<A>, at: number, value: A) => row.toSpliced(at, 0, value)
  const sum = report.hours.reduce((sum, { byOthers }) => sum + byOthers, 0)
  return {
    names: inserted(columns(group), 2, "by others"),
    hours: report.hours.map((hour) => inserted(cells(hour), 1, signed(hour.byOthers))),
    all: inserted(cells(report), 1, signed(sum))
  }
}

const change = (one: AuditReport["changedByOthers"][number]) => `  changed by another writer: ${describeChange(one)}`

/** What groups the rows of a stream; undefined if nothing does. */
const groupOf = ({ definition }: AppliedStream) =>
  definition.name === weatherStream.definition.name ? "hour" : groupColumn(definition)?.transform

const text = (report: AuditReport, stream: AppliedStream, millis: number, paint: Colorize) => {
  const { name } = stream.definition
  const isWeather = name === weatherStream.definition.name
  const group = groupOf(stream)
  const { all, hours, names } = withOthers(report, group ?? "")
  const shown = (group === undefined ? [] : hours).map((row, i) => [report.hours[i]?.ts ?? "NULL", ...row])
  const total = ["all", ...all]
  const widths = names.map((name, i) =>
    Math.max(name.length, 13, ...[...shown, total].map((row) => row[i]?.length ?? 0))
  )
  const line = (row: ReadonlyArray<string>) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join(" ")
  const isWrong = (i: number) => (report.hours[i]?.missing ?? 0) + (report.hours[i]?.extra ?? 0) > 0
  const rows = shown.map((row, i) => (isWrong(i) ? paint("red", line(row)) : line(row)))
  const columnsOf = (one: Example) =>
    "row" in one ? one.row : `${cell(one.ts)}  ${cell(one.city)}  ${cell(one.temperature)}`
  const example = (one: Example) =>
    `  ${one.kind.padEnd(7)} ${columnsOf(one)}${one.rows > 1 ? `  ${counted(one.rows)} times` : ""}`
  const examples = report.examples.length === 0 ? [] : ["", "Examples:", ...report.examples.map(example)]
  const compared =
    report.settledBefore === null
      ? `Compared the log up to ${places(report.upTo)} (partition/offset), which is where snapshot ${report.snapshotId} ends.`
      : `Compared the hours before ${report.settledBefore}; the table does not record its position in the log.`
  const leftOut = `Log positions without ${isWeather ? "a weather record" : `an event of ${name}`}: ${counted(report.leftOut)}. Run floe dlq list${isWeather ? "" : ` --stream ${name}`} to see what the connector rejected.`
  const begins = `The log begins at ${places(truncated(report))}: earlier events have expired or were deleted, and their rows count as extra.`
  const seconds = (millis / 1000).toFixed(1)
  const changes = report.changedByOthers.length === 0 ? [] : ["", ...report.changedByOthers.map(change)]
  const top = [paint("bold", line(names)), ...rows, line(total), ...changes]
  const lines = [...top, ...examples, "", `${compared} ${seconds} s.`]
  const notes = [
    ...(report.leftOut === 0 ? [] : [leftOut]),
    ...(truncated(report).length === 0 ? [] : [begins]),
    ...(report.missing + report.extra === 0 ? [] : report.unknown)
  ]
  return [...lines, ...notes, ""].join("\n")
}

export const audit = Command.make(
  "audit",
  {
    from: hour("from", "First hour to compare"),
    to: hour("to", "Last hour to compare"),
    stream: streamFlag,
    json
  },
  Effect.fn("floe audit")(function* ({ from, to, stream: name, json }) {
    const stream = yield* streamNamed(name)
    if (Option.isSome(from) && Option.isSome(to) && from.value > to.value) {
      return yield* usageError(["floe", "audit"], "--from must not be later than --to.")
    }
    const group = groupOf(stream)
    if (group === undefined && (Option.isSome(from) || Option.isSome(to))) {
      return yield* usageError(
        ["floe", "audit"],
        `--from and --to need a table that is partitioned by time; the table of ${stream.definition.name} is not.`
      )
    }
    const started = yield* monotonicMillis
    const { writer } = stream.definition
    // First: what a processor writes in the meantime is compared with the table.
    const again = writer !== undefined ? Option.some(yield* Effect.result(rerunOf(writer))) : Option.none()
    const rerun = Option.getOrUndefined(Option.flatMap(again, Result.getSuccess))
    const result = yield* withProgress(
      Effect.fnUntraced(function* ({ show }) {
        let doing = "Looking at the table"
        yield* show(() => doing).pipe(Effect.repeat(Schedule.spaced("250 millis")), Effect.forkScoped)
        return yield* reconcile({
          stream,
          from: Option.getOrUndefined(from),
          to: Option.getOrUndefined(to),
          onProgress: (events, of) => {
            const read = `${counted(events)} of ${counted(of)} events read`
            doing = events < of ? read : `${read}, waiting for the table's checksums`
            return show(() => doing)
          }
        })
      }, Effect.scoped)
    )
    if (Option.isNone(result)) {
      if (Option.isSome(again)) yield* Effect.fromResult(again.value)
      if (rerun === undefined || rowsIn(rerun, stream) > 0) {
        return yield* new NoTable({ advice: creation(yield* profile, stream) })
      }
      // A processor whose first window is open has no rows, and so no table.
      yield* json
        ? printJson({ processor: rerun })
        : print(Stream.make(`${stream.definition.name} has no rows yet, and so no table.\n${rerunText(rerun)}`))
      if (differs(rerun)) return yield* new ProcessorMismatch({ name: rerun.definition.name })
      return
    }
    const report = result.value
    const millis = Math.round((yield* monotonicMillis) - started)
    if (json) yield* printJson({ ...report, millis, ...(rerun === undefined ? {} : { processor: rerun }) })
    else {
      yield* print(Stream.make(text(report, stream, millis, yield* painter)))
      if (rerun !== undefined) yield* print(Stream.make(rerunText(rerun)))
    }
    if (report.missing + report.extra > 0) {
      const whole = report.changedByOthers.length === 0 ? "whole" : "others"
      const advice = advices[truncated(report).length === 0 ? whole : "cut"]
      return yield* new AuditMismatch({ missing: report.missing, extra: report.extra, advice })
    }
    // The comparison with the table has been shown by then.
    if (Option.isSome(again)) yield* Effect.fromResult(again.value)
    if (rerun !== undefined && differs(rerun)) return yield* new ProcessorMismatch({ name: rerun.definition.name })
  })
).pipe(
  Command.withDescription(
    "Compare the log with the table, hour by hour: the table must hold each event once and nothing else. The stream of a processor is compared with its input too: the processor runs again, and must give the rows that its log has. A stream of your own is compared by the year, month, day or hour of the column that its table is partitioned by. Floe counts and checksums both sides independently and, where they differ, lists missing and extra records. Exit code 1 if they differ."
  ),
  Command.withShortDescription("Prove that the table holds each event exactly once"),
  Command.withExamples([
    { command: "floe audit", description: "Compare everything that the table contains" },
    { command: "floe audit --from 2026-01-08-00 --to 2026-01-08-23", description: "Compare one day" },
    { command: "floe audit --stream readings", description: "Compare a stream of your own with its table" }
  ]),
  Command.provide(Profile.layer("audit")),
  Command.provide(Profile.layer("streams"))
)
