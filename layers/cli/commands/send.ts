import { Cause, Console, Effect, Option, Schema, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { LogClient } from "../../../services/LogClient.ts"
import { LogTarget } from "../../../services/LogTarget.ts"
import { weather } from "../../../services/TableReader.ts"
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
import { streamFlag } from "../terminal/streamFlag.ts"
import { usageError } from "../terminal/usageError.ts"

class LinesRejected extends Schema.TaggedError<LinesRejected>()("LinesRejected", {
  rejected: Schema.Int,
  report: Schema.NullOr(Schema.String)
}) {
  override get message() {
    const { rejected, report } = this
    const where =
      report === null ? "the lines and the reasons are listed above" : `${report} lists them with the reasons`
    return `${plural(rejected, "line was", "lines were")} rejected; ${where}.`
  }
}

class LineIncomplete extends Schema.TaggedError<LineIncomplete>()("LineIncomplete", {
  name: Schema.String,
  line: Schema.Int
}) {
  override get message() {
    return `The last line of ${this.name}, line ${this.line}, has no newline and may be incomplete, so it was not sent. Send the file again when the line is complete, or use --complete if it already is.`
  }
}

/** In --json the rejected lines are `refused`, which scripts may read. */
const machineReadable = ({ acknowledged, repeated, reported, logged, rejected, ...rest }: Sent) => ({
  acknowledged,
  repeated,
  reported,
  logged,
  refused: rejected,
  ...rest
})

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
  const { acknowledged, repeated, reported, logged, rejected, waiting, bytes } = sent
  const lines = acknowledged + reported
  if (lines === 0) {
    if (logged + rejected > 0) {
      return `There is nothing to send: all of ${name} was already sent, ${plural(logged + rejected, "line")}.\n`
    }
    if (waiting !== null) return ""
    return `Nothing was sent: ${name} ${bytes === 0 ? "is empty" : "has no records"}.\n`
  }
  const time = `in ${(millis / 1000).toFixed(1)} s (${rate(acknowledged, millis)}/s)`
  const again = repeated === 0 ? "" : ` ${counted(repeated)} of them were already in the log and were not logged twice.`
  const whole = logged === acknowledged ? "" : ` ${counted(logged)} lines of the file are now in the log.`
  return `${plural(lines, "line")}: ${counted(acknowledged)} acknowledged, ${counted(reported)} reported, ${time}.${again}${whole}\n`
}

const interrupted = (acknowledged: number, readOnce: boolean, again: boolean) => {
  const at = `Interrupted after ${plural(acknowledged, "line was", "lines were")} acknowledged`
  return readOnce
    ? `${at}; some later lines may be logged too. Sending all lines again would log those twice.`
    : `${at}; run the same command${again ? " without --again" : ""} to resume. Nothing is logged twice.`
}

const bulk = Effect.fnUntraced(function* (
  name: string,
  options: {
    readonly stream: string
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
  const log = logId === null ? url.href : `log ${logId}`
  const stream = options.stream === weather ? undefined : yield* (yield* LogClient).describe(options.stream)
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
      stream,
      format: Option.getOrUndefined(options.format),
      complete: options.complete,
      target: stream === undefined ? log : `stream ${stream.name} of ${log}`,
      again: options.again,
      doubtful: Option.getOrUndefined(options.doubtful),
      progress: (sent) => {
        acknowledged = sent.acknowledged
        return Effect.flatMap(monotonicMillis, (now) => show(() => line(sent, now - started)))
      },
      onRejected: (rejected) => Effect.forEach(rejected, (one) => Console.error(JSON.stringify(one)), { discard: true })
    })
  ).pipe(
    Effect.onError((cause) =>
      acknowledged > 0 || Cause.hasInterrupts(cause)
        ? Console.error(interrupted(acknowledged, source.file === undefined, options.again))
        : Effect.void
    )
  )
  const millis = Math.round((yield* monotonicMillis) - started)
  const report = sent.rejected === 0 || source.file === undefined ? null : reportOf(source.file.path)
  if (options.json) yield* printJson({ file: name, ...machineReadable(sent), report, millis })
  else yield* print(Stream.make(summary(source.name, sent, millis)))
  const rejections = sent.rejected === 0 ? [] : [new LinesRejected({ rejected: sent.rejected, report })]
  const incomplete = sent.waiting === null ? [] : [new LineIncomplete({ name: source.name, line: sent.waiting })]
  const [first, ...others] = [...rejections, ...incomplete]
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
      Argument.withDescription("Temperature in °F, stored exactly as written"),
      Argument.withSchema(Temperature),
      Argument.optional
    ),
    stream: streamFlag,
    file: Flag.String("file").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Send the records in this file: NDJSON, or CSV with a header; - for standard input"),
      Flag.withMetavar("path"),
      Flag.optional
    ),
    format: Flag.Literals("format", ["ndjson", "csv"]).pipe(
      Flag.withDescription(
        "Format of the file; detected from its extension (.csv, .ndjson, .jsonl) or its first character by default"
      ),
      Flag.optional
    ),
    complete: Flag.Boolean("complete").pipe(
      Flag.withDescription("Send the last line even if it has no newline"),
      Flag.withDefault(false)
    ),
    again: Flag.Boolean("again").pipe(
      Flag.withDescription("Send the whole file again, including lines that were already sent"),
      Flag.withDefault(false)
    ),
    doubtful: Flag.Literals("doubtful", ["send", "skip"]).pipe(
      Flag.withDescription("What to do with a batch that was interrupted more than 23 hours ago"),
      Flag.optional
    ),
    json
  },
  Effect.fn("floe send")(function* ({ city, temperature, file, json, ...options }) {
    if (Option.isSome(file)) {
      if (Option.isSome(city)) return yield* usageError(["floe", "send"], "Give a record or --file, not both.")
      return yield* bulk(file.value, { ...options, json })
    }
    if (options.stream !== weather) {
      return yield* usageError(["floe", "send"], "Give --file with --stream, for example --stream readings --file -.")
    }
    if (Option.isNone(city) || Option.isNone(temperature)) {
      return yield* usageError(
        ["floe", "send"],
        "Give a city and a temperature (for example, floe send Oslo 41.5), or --file."
      )
    }
    yield* one(city.value, temperature.value, json)
  })
).pipe(
  Command.withDescription(
    "Send records to the logging server of the data folder, or to FLOE_TARGET. Each line of a file is either acknowledged or reported in <file>.refused.ndjson, and Floe prints the counts. Exit code 1 if a line was reported, or if the last line has no newline and was held back (see --complete). If sending is interrupted, or the file has grown, run the same command again: it resumes where it stopped, and nothing is logged twice. Floe records its progress beside the file, in <file>.floe-send.json. With --stream, each line is an event of that stream: in CSV, an empty field without quotes is left out, and lists, maps and nested fields are JSON. Standard input and other pipes cannot be resumed: rejected lines are reported on standard error, and sending the same input again logs it again."
  ),
  Command.withShortDescription("Send records to the logging server"),
  Command.withExamples([
    { command: "floe send Oslo 41.5", description: "Send one record" },
    { command: "floe send --file readings.csv", description: "Send a CSV file with the columns city and temperature" },
    { command: "gzip -dc readings.csv.gz | floe send --file -", description: "Send a pipe to its end" },
    {
      command: "floe send --file readings.ndjson",
      description: 'Send a file with one {"city":"Oslo","temperature":"41.5"} per line'
    },
    {
      command: "floe send --stream readings --file readings.csv",
      description: "Send a CSV file with columns of the stream readings"
    }
  ]),
  Command.provide(LogClientLayer.layer),
  Command.provide(Profile.layer("logTarget")),
  Command.provide(SecureRandom.layerWebCrypto)
)
