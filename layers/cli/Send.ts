import { Clock, Console, Effect, Option, Schema, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { LogClient } from "../../services/LogClient.ts"
import { LogTarget } from "../../services/LogTarget.ts"
import { City, Temperature } from "../../services/Weather.ts"
import * as LogClientLayer from "../http/LogClient.ts"
import * as Profile from "../Profile.ts"
import type { Format } from "../send/Records.ts"
import { reportOf, type Sent, sendFile } from "../send/SendFile.ts"
import { json, printJson } from "./Json.ts"
import { misuse } from "./Misuse.ts"
import { print } from "./Output.ts"
import { counted, withProgress } from "./Progress.ts"

class LinesRefused extends Schema.TaggedError<LinesRefused>()("LinesRefused", {
  refused: Schema.Int,
  report: Schema.String
}) {
  override get message() {
    const { refused, report } = this
    return `${counted(refused)} ${refused === 1 ? "line was" : "lines were"} refused; ${report} has each with the reason.`
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

const formatOf = (path: string): Format => (/\.csv$/i.test(path) ? "csv" : "ndjson")

const summary = (path: string, sent: Sent, millis: number) => {
  const { acknowledged, repeated, logged } = sent
  if (acknowledged === 0) return `There is nothing to send: ${path} was sent before, with ${counted(logged)} records.\n`
  const again = repeated === 0 ? "" : ` ${counted(repeated)} of them had been logged before, and were not logged twice.`
  const whole = logged === acknowledged ? "" : ` ${counted(logged)} of the file are in the log now.`
  return `${counted(acknowledged)} records acknowledged in ${(millis / 1000).toFixed(1)} s (${rate(acknowledged, millis)}/s).${again}${whole}\n`
}

const bulk = Effect.fnUntraced(function* (
  path: string,
  options: {
    readonly format: Option.Option<Format>
    readonly again: boolean
    readonly doubtful: Option.Option<"send" | "skip">
    readonly json: boolean
  }
) {
  const started = yield* Clock.currentTimeMillis
  const { logId, url } = yield* (yield* LogTarget).find
  const line = (sent: Sent, millis: number) => {
    const share = Math.floor((100 * sent.bytes) / Math.max(1, sent.ofBytes))
    const refused = sent.refused === 0 ? "" : `, ${counted(sent.refused)} refused`
    return `${counted(sent.acknowledged)} records sent, ${share} % of the file, ${rate(sent.acknowledged, millis)}/s${refused}`
  }
  const sent = yield* withProgress(({ show }) =>
    sendFile({
      path,
      format: Option.getOrElse(options.format, () => formatOf(path)),
      // The log stays the same when its server moves to another port.
      target: logId === null ? url.href : `log ${logId}`,
      again: options.again,
      doubtful: Option.getOrUndefined(options.doubtful),
      progress: (sent) => Effect.flatMap(Clock.currentTimeMillis, (now) => show(() => line(sent, now - started)))
    })
  ).pipe(
    Effect.onInterrupt(() =>
      Console.error("Broken off; the same command goes on where it stopped, and doubles nothing.")
    )
  )
  const millis = (yield* Clock.currentTimeMillis) - started
  const report = sent.refused === 0 ? null : reportOf(path)
  if (options.json) yield* printJson({ file: path, ...sent, report, millis })
  else yield* print(Stream.make(summary(path, sent, millis)))
  if (report !== null) return yield* new LinesRefused({ refused: sent.refused, report })
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
      Flag.withDescription("Send the records of this file: NDJSON, or CSV with a header"),
      Flag.withMetavar("path"),
      Flag.optional
    ),
    format: Flag.Literals("format", ["ndjson", "csv"]).pipe(
      Flag.withDescription("What the file is; by default its name tells"),
      Flag.optional
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
      if (Option.isSome(city)) return yield* misuse(["floe", "send"], "Give a record or --file, not both.")
      return yield* bulk(file.value, { ...options, json })
    }
    if (Option.isNone(city) || Option.isNone(temperature)) {
      return yield* misuse(["floe", "send"], "Give a city and a temperature, such as floe send Oslo 41.5, or --file.")
    }
    yield* one(city.value, temperature.value, json)
  })
).pipe(
  Command.withDescription(
    "Send records to the logging server of the data folder, or to the one that FLOE_TARGET names. What was broken off goes on where it stopped when the same command is given again, and nothing is logged twice: how far a file was sent is noted beside it, in <file>.floe-send.json. Lines that are refused are reported in <file>.refused.ndjson; exit code 1 if there are any."
  ),
  Command.withShortDescription("Send records to the logging server"),
  Command.withExamples([
    { command: "floe send Oslo 41.5", description: "One record" },
    { command: "floe send --file readings.csv", description: "A CSV file with the columns city and temperature" },
    { command: "floe send --file readings.ndjson", description: 'One {"city":"Oslo","temperature":"41.5"} a line' }
  ]),
  Command.provide(LogClientLayer.layer),
  Command.provide(Profile.logTarget),
  Command.provide(SecureRandom.layerWebCrypto)
)
