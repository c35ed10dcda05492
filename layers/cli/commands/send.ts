import { Cause, Console, Effect, Option, Schema, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { LogClient } from "../../../services/LogClient.ts"
import { LogTarget } from "../../../services/LogTarget.ts"
import { City, Temperature } from "../../../services/Weather.ts"
import * as LogClientLayer from "../../ingest/LogClient.ts"
import { reportOf } from "../../ingest/send/journal.ts"
import type { Format } from "../../ingest/send/lines.ts"
import { open } from "../../ingest/send/Source.ts"
import { type Sent, sendFile } from "../../ingest/send/sendFile.ts"
import * as Profile from "../../profile/Profile.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import { print } from "../terminal/Output.ts"
import { counted, withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { usageError } from "../terminal/usageError.ts"

class LinesRefused extends Schema.TaggedError<LinesRefused>()("LinesRefused", {
  refused: Schema.Int,
  report: Schema.NullOr(Schema.String)
}) {
  override get message() {
    const { refused, report } = this
    const where = report === null ? "above is each with the reason" : `${report} has each with the reason`
    return `${plural(refused, "line was", "lines were")} refused; ${where}.`
  }
}

class LineWaits extends Schema.TaggedError<LineWaits>()("LineWaits", { name: Schema.String, line: Schema.Int }) {
  override get message() {
    return `The last line of ${this.name}, line ${this.line}, has no line end and may be half-written, so it was not sent. Send the file again when the line is complete, or give --complete if it is.`
  }
}

const rate = (records: number, millis: number) => counted((records * 1000) / Math.max(1, millis))

const one = Effect.fnUntraced(function* (city: string, temperature: string, machine: boolean) {
  const key = yield* (yield* SecureRandom.SecureRandom).uuidV4()
  const client = yield* LogClient
  const logged = yield* client
    .sendAll([{ city, temperature }], key)
    .pipe(Effect.retry({ times: 2, while: ({ _tag }) => _tag === "ServerUnavailable" }))
  if (machine) return yield* printJson({ city, temperature, ts: logged.ts, positions: logged.positions })
  const places = logged.positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")
  yield* print(Stream.make(`Logged at ${places} (partition/offset), hour ${logged.ts}.\n`))
})

const summary = (name: string, sent: Sent, millis: number) => {
  const { acknowledged, repeated, reported, logged, refused, waiting, bytes } = sent
  const lines = acknowledged + reported
  if (lines === 0) {
    if (logged + refused > 0) {
      const before = `was sent before, with ${plural(logged + refused, "line")}`
      return `There is nothing to send: ${name} ${before}.\n`
    }
    if (waiting !== null) return ""
    return `Nothing was sent: ${name} ${bytes === 0 ? "is empty" : "has no records"}.\n`
  }
  const time = `in ${(millis / 1000).toFixed(1)} s (${rate(acknowledged, millis)}/s)`
  const again = repeated === 0 ? "" : ` ${counted(repeated)} of them had been logged before, and were not logged twice.`
  const whole = logged === acknowledged ? "" : ` ${counted(logged)} of the file are in the log now.`
  return `${plural(lines, "line")}: ${counted(acknowledged)} acknowledged, ${counted(reported)} reported, ${time}.${again}${whole}\n`
}

const brokenOff = (acknowledged: number, readOnce: boolean, again: boolean) => {
  const so = `Broken off after ${plural(acknowledged, "line was", "lines were")} acknowledged`
  return readOnce
    ? `${so}; some lines after them may be logged too. Sending them all again would log those twice.`
    : `${so}; the same command${again ? " without --again" : ""} goes on where it stopped, and doubles nothing.`
}

const bulk = Effect.fnUntraced(function* (
  name: string,
  options: {
    readonly format: Option.Option<Format>
    readonly complete: boolean
    readonly again: boolean
    readonly doubtful: Option.Option<"send" | "skip">
    readonly json: boolean
  }
) {
  const started = yield* monotonicMillis
  const source = yield* open(name)
  const { logId, url } = yield* (yield* LogTarget).find
  const line = (sent: Sent, millis: number) => {
    const share =
      sent.ofBytes === null ? "" : `, ${Math.floor((100 * sent.bytes) / Math.max(1, sent.ofBytes))} % of the file`
    const reported = sent.reported === 0 ? "" : `, ${counted(sent.reported)} reported`
    return `${plural(sent.acknowledged, "line")} acknowledged${share}, ${rate(sent.acknowledged, millis)}/s${reported}`
  }
  let acknowledged = 0
  const sent = yield* withProgress(({ show }) =>
    sendFile({
      source,
      format: Option.getOrUndefined(options.format),
      complete: options.complete,
      // The log stays the same when its server moves to another port.
      target: logId === null ? url.href : `log ${logId}`,
      again: options.again,
      doubtful: Option.getOrUndefined(options.doubtful),
      progress: (sent) => {
        acknowledged = sent.acknowledged
        return Effect.flatMap(monotonicMillis, (now) => show(() => line(sent, now - started)))
      },
      refused: (refused) => Effect.forEach(refused, (one) => Console.error(JSON.stringify(one)), { discard: true })
    })
  ).pipe(
    Effect.onError((cause) =>
      acknowledged > 0 || Cause.hasInterrupts(cause)
        ? Console.error(brokenOff(acknowledged, source.file === undefined, options.again))
        : Effect.void
    )
  )
  const millis = Math.round((yield* monotonicMillis) - started)
  const report = sent.refused === 0 || source.file === undefined ? null : reportOf(source.file.path)
  if (options.json) yield* printJson({ file: name, ...sent, report, millis })
  else yield* print(Stream.make(summary(source.name, sent, millis)))
  const refused = sent.refused === 0 ? [] : [new LinesRefused({ refused: sent.refused, report })]
  const waits = sent.waiting === null ? [] : [new LineWaits({ name: source.name, line: sent.waiting })]
  const [first, ...others] = [...refused, ...waits]
  yield* Effect.forEach(others, ({ message }) => Console.error(message), { discard: true })
  if (first !== undefined) return yield* Effect.fail(first)
})

export const send = Command.make(
  "send",
  {
    city: Argument.String("city").pipe(
      Argument.withDescription("Name of the city"),
      Argument.withSchema(City),
      Argument.optional
    ),
    temperature: Argument.String("temperature").pipe(
      Argument.withDescription("Temperature in °F, kept exactly as it is written"),
      Argument.withSchema(Temperature),
      Argument.optional
    ),
    file: Flag.String("file").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Send the records of this file: NDJSON, or CSV with a header; - is standard input"),
      Flag.withMetavar("path"),
      Flag.optional
    ),
    format: Flag.Literals("format", ["ndjson", "csv"]).pipe(
      Flag.withDescription(
        "What the file is; by default its name (.csv, .ndjson, .jsonl) tells, or else its first character"
      ),
      Flag.optional
    ),
    complete: Flag.Boolean("complete").pipe(
      Flag.withDescription("Take the last line as it is, though it has no line end"),
      Flag.withDefault(false)
    ),
    again: Flag.Boolean("again").pipe(
      Flag.withDescription("Send all of the file once more, though it was sent before"),
      Flag.withDefault(false)
    ),
    doubtful: Flag.Literals("doubtful", ["send", "skip"]).pipe(
      Flag.withDescription("What to do with a batch that was broken off more than 23 hours ago"),
      Flag.optional
    ),
    json
  },
  Effect.fn("floe send")(function* ({ city, temperature, file, json, ...options }) {
    if (Option.isSome(file)) {
      if (Option.isSome(city)) return yield* usageError(["floe", "send"], "Give a record or --file, not both.")
      return yield* bulk(file.value, { ...options, json })
    }
    if (Option.isNone(city) || Option.isNone(temperature)) {
      return yield* usageError(
        ["floe", "send"],
        "Give a city and a temperature, such as floe send Oslo 41.5, or --file."
      )
    }
    yield* one(city.value, temperature.value, json)
  })
).pipe(
  Command.withDescription(
    "Send records to the logging server of the data folder, or to the one that FLOE_TARGET names. Each line of a file is acknowledged or reported in <file>.refused.ndjson, and the counts are printed; exit code 1 if any was reported, or if the last line has no line end and waits for it (see --complete). A file that was broken off, or that grew, goes on where it stopped when the same command is given again, and nothing is logged twice: how far it was sent is noted beside it, in <file>.floe-send.json. Standard input and other pipes cannot go on: what is refused of them is reported on standard error, and sending them once more logs them once more."
  ),
  Command.withShortDescription("Send records to the logging server"),
  Command.withExamples([
    { command: "floe send Oslo 41.5", description: "One record" },
    { command: "floe send --file readings.csv", description: "A CSV file with the columns city and temperature" },
    { command: "gzip -dc readings.csv.gz | floe send --file -", description: "From a pipe, to its end" },
    { command: "floe send --file readings.ndjson", description: 'One {"city":"Oslo","temperature":"41.5"} a line' }
  ]),
  Command.provide(LogClientLayer.layer),
  Command.provide(Profile.layer("logTarget")),
  Command.provide(SecureRandom.layerWebCrypto)
)
