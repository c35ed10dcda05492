import { Effect, Option, Schedule, Schema, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import type { Position } from "../../../services/EventLog.ts"
import { profile } from "../../../services/Settings.ts"
import { describeChange } from "../../../services/TableChecksums.ts"
import { Hour } from "../../../services/Weather.ts"
import { type AuditReport, audit as reconcile } from "../../operate/audit/audit.ts"
import type { Example } from "../../operate/audit/compareHour.ts"
import * as Profile from "../../profile/Profile.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import { isDay } from "../terminal/asOfFlag.ts"
import { type Colorize, colorize as painter } from "../terminal/colorize.ts"
import { cell } from "../terminal/formatTable.ts"
import { print } from "../terminal/Output.ts"
import { counted, withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { usageError } from "../terminal/usageError.ts"

class AuditMismatch extends Schema.TaggedError<AuditMismatch>()("AuditMismatch", {
  missing: Schema.Int,
  extra: Schema.Int,
  advice: Schema.String
}) {
  override get message() {
    return `The table differs from the log: rows missing ${counted(this.missing)}, rows too many ${counted(this.extra)}. ${this.advice}`
  }
}

class NoTable extends Schema.TaggedError<NoTable>()("NoTable", { advice: Schema.String }) {
  override get message() {
    return `There is no table yet to compare with the log; ${this.advice}.`
  }
}

const makesTable = {
  embedded: "start the sink (npm start) and log a record",
  distributed: "make it with floe table create, and what fills it with floe connector register"
}

/** Of what a log has lost, the table may be all that there is. */
const advices = {
  whole: "floe rebuild --into <table> makes a new one from the log.",
  others:
    "floe rebuild --into <table> makes a new one from the log; to put it in place (--promote) also undoes what other writers changed, and needs --discard-other-writers.",
  cut: "The log has lost its first events, so keep this table: a new one from the log would not have them."
}

const isHour = Schema.decodeUnknownOption(Hour)
const dayOf = (hour: string) => hour.slice(0, 10)
const hourOf = (text: string) => Option.filter(isHour(text), (hour) => isDay(dayOf(hour)))
const unlikeHour = (text: string) => (Option.isSome(isHour(text)) ? `${text}, a day that does not exist` : text)

const hour = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.withMetavar("YYYY-MM-DD-HH"),
    Flag.filterMap(hourOf, (text) => `Expected an hour such as 2026-01-08-14, and got ${unlikeHour(text)}`),
    Flag.optional
  )

const places = (positions: ReadonlyArray<Position>) =>
  positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")

/** Where the log begins, of partitions of which it has lost the beginning. */
const cut = ({ from }: AuditReport) => from.filter(({ offset }) => offset > 0)

const columns = ["hour", "logged", "in table", "missing", "extra"]

const cells = ({ extra, inTable, logged, missing }: Omit<AuditReport["hours"][number], "ts" | "byOthers">) =>
  [logged, inTable, missing, extra].map(counted)

/** With a column more where it is known how many rows of an hour others have changed. */
const withOthers = (report: AuditReport) => {
  if (report.hours.every(({ byOthers }) => byOthers === 0))
    return { names: columns, hours: report.hours.map(cells), all: cells(report) }
  const signed = (count: number) => `${count > 0 ? "+" : ""}${counted(count)}`
  const inserted = <A>(row: ReadonlyArray<A>, at: number, value: A) => row.toSpliced(at, 0, value)
  const sum = report.hours.reduce((sum, { byOthers }) => sum + byOthers, 0)
  return {
    names: inserted(columns, 2, "by others"),
    hours: report.hours.map((hour) => inserted(cells(hour), 1, signed(hour.byOthers))),
    all: inserted(cells(report), 1, signed(sum))
  }
}

const change = (one: AuditReport["changedByOthers"][number]) => `  changed by another writer: ${describeChange(one)}`

const text = (report: AuditReport, millis: number, paint: Colorize) => {
  const { all, hours, names } = withOthers(report)
  const shown = hours.map((row, i) => [report.hours[i]?.ts ?? "NULL", ...row])
  const total = ["all", ...all]
  const widths = names.map((name, i) =>
    Math.max(name.length, 13, ...[...shown, total].map((row) => row[i]?.length ?? 0))
  )
  const line = (row: ReadonlyArray<string>) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join(" ")
  const isWrong = (i: number) => (report.hours[i]?.missing ?? 0) + (report.hours[i]?.extra ?? 0) > 0
  const rows = shown.map((row, i) => (isWrong(i) ? paint("red", line(row)) : line(row)))
  const example = ({ kind, ts, city, temperature, rows }: Example) =>
    `  ${kind.padEnd(7)} ${cell(ts)}  ${cell(city)}  ${cell(temperature)}${rows > 1 ? `  ${counted(rows)} times` : ""}`
  const examples = report.examples.length === 0 ? [] : ["", "Among them:", ...report.examples.map(example)]
  const compared =
    report.settledBefore === null
      ? `Compared: the log up to ${places(report.upTo)} (partition/offset), which is what snapshot ${report.snapshotId} has of it.`
      : `Compared: the hours before ${report.settledBefore}, as the table does not tell how far the log is in it.`
  const leftOut = `Positions of the log without a weather record: ${counted(report.leftOut)}. floe dlq list shows what the connector refused.`
  const begins = `The log begins at ${places(cut(report))}: what was before has expired or was deleted, and rows of it count as too many.`
  const seconds = (millis / 1000).toFixed(1)
  const changes = report.changedByOthers.length === 0 ? [] : ["", ...report.changedByOthers.map(change)]
  const top = [paint("bold", line(names)), ...rows, line(total), ...changes]
  const lines = [...top, ...examples, "", `${compared} ${seconds} s.`]
  const notes = [
    ...(report.leftOut === 0 ? [] : [leftOut]),
    ...(cut(report).length === 0 ? [] : [begins]),
    ...(report.missing + report.extra === 0 ? [] : report.unknown)
  ]
  return [...lines, ...notes, ""].join("\n")
}

export const audit = Command.make(
  "audit",
  {
    from: hour("from", "First hour to compare"),
    to: hour("to", "Last hour to compare"),
    json
  },
  Effect.fn("floe audit")(function* ({ from, to, json }) {
    if (Option.isSome(from) && Option.isSome(to) && from.value > to.value) {
      return yield* usageError(["floe", "audit"], "Give with --from an hour that is not after the one of --to.")
    }
    const started = yield* monotonicMillis
    const found = yield* withProgress(
      Effect.fnUntraced(function* ({ show }) {
        let doing = "Looking at the table"
        yield* show(() => doing).pipe(Effect.repeat(Schedule.spaced("250 millis")), Effect.forkScoped)
        return yield* reconcile({
          from: Option.getOrUndefined(from),
          to: Option.getOrUndefined(to),
          progress: (events, of) => {
            const read = `${counted(events)} of ${counted(of)} events read`
            doing = events < of ? read : `${read}, waiting for the table's sums`
            return show(() => doing)
          }
        })
      }, Effect.scoped)
    )
    if (Option.isNone(found)) return yield* new NoTable({ advice: makesTable[yield* profile] })
    const report = found.value
    const millis = Math.round((yield* monotonicMillis) - started)
    if (json) yield* printJson({ ...report, millis })
    else yield* print(Stream.make(text(report, millis, yield* painter)))
    if (report.missing + report.extra > 0) {
      const whole = report.changedByOthers.length === 0 ? "whole" : "others"
      const advice = advices[cut(report).length === 0 ? whole : "cut"]
      return yield* new AuditMismatch({ missing: report.missing, extra: report.extra, advice })
    }
  })
).pipe(
  Command.withDescription(
    "Compare the log with the table, hour by hour: each event once, and nothing else. Both sides are counted and summed up apart from each other; where the sums differ, the records that are missing or too many are found. Exit code 1 if there are any."
  ),
  Command.withShortDescription("Prove that the table holds the log, each event once"),
  Command.withExamples([
    { command: "floe audit", description: "All that the table has of the log" },
    { command: "floe audit --from 2026-01-08-00 --to 2026-01-08-23", description: "One day" }
  ]),
  Command.provide(Profile.layer("audit"))
)
