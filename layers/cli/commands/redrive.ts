import { Console, Effect, Exit, Option, Result, Schema, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { DeadLettersSnapshot, DeadLettersUnavailable } from "../../../services/DeadLetters.ts"
import type { Position } from "../../../services/EventLog.ts"
import { weather } from "../../../services/TableReader.ts"
import { City, Temperature, type WeatherReading } from "../../../services/Weather.ts"
import { correctionLine, readingOf } from "../../ingest/deadletters/Correction.ts"
import { eventLine, eventOf } from "../../ingest/deadletters/EventCorrection.ts"
import { readCorrections } from "../../ingest/deadletters/readCorrections.ts"
import { redrive as sendAgain, type Wanted } from "../../ingest/deadletters/redrive.ts"
import * as LogClientLayer from "../../ingest/LogClient.ts"
import type { FileUnreadable } from "../../ingest/send/Source.ts"
import * as Profile from "../../profile/Profile.ts"
import { opened, position } from "../terminal/deadLetterArguments.ts"
import { print } from "../terminal/Output.ts"
import { ticking, withProgress } from "../terminal/Progress.ts"
import { json } from "../terminal/printJson.ts"
import { jsonLine, makeSummary } from "../terminal/renderRedrive.ts"
import { streamFlag, streamNamed } from "../terminal/streamFlag.ts"
import { usageError } from "../terminal/usageError.ts"

/** Its input has the event already. */
class OfProcessor extends Schema.TaggedError<OfProcessor>()("OfProcessor", {
  stream: Schema.String,
  processor: Schema.String
}) {
  override get message() {
    return `The dead letters of ${this.stream} are events that the processor ${this.processor} could not process, and its input still has them: correct its functions, then floe processor rebuild ${this.processor} processes them with the others.`
  }
}

type ReadingOf = (value: Uint8Array | null) => Wanted["reading"]

const waiting = ({ letters }: DeadLettersSnapshot, reading: ReadingOf) =>
  letters.pipe(
    Stream.filter(({ redrives }) => redrives.length === 0),
    Stream.map(({ position, value }): Wanted => ({ position, reading: reading(value) }))
  )

const someOf = (snapshot: DeadLettersSnapshot, positions: ReadonlyArray<Position>, reading: ReadingOf) =>
  Stream.mapEffect(Stream.fromIterable(positions), (position) =>
    snapshot.find(position).pipe(
      Effect.map(({ value }): Wanted => ({ position, reading: reading(value) })),
      Effect.catchTag("NoSuchDeadLetter", ({ reason }) =>
        Effect.succeed<Wanted>({ position, reading: Result.fail(reason) })
      )
    )
  )

const ofFile = (path: string, stream: string) =>
  Stream.map(
    readCorrections<WeatherReading | string>(path, stream === weather ? correctionLine : eventLine),
    ({ line, correction }): Wanted =>
      Result.isSuccess(correction)
        ? { ...correction.success, line }
        : { position: null, line, reading: Result.fail(correction.failure) }
  )

const command = <const Name extends string>(name: Name) =>
  Command.make(
    name,
    {
      positions: position.pipe(Argument.variadic()),
      all: Flag.Boolean("all").pipe(
        Flag.withDescription("All that were not sent again yet"),
        Flag.withDefault(false),
        Flag.withoutNegation
      ),
      file: Flag.String("file").pipe(
        Flag.withAlias("f"),
        Flag.withDescription(
          'Those in this file of corrections, one per line: {"position":"0/12","city":"Oslo","temperature":"41.5"}'
        ),
        Flag.withMetavar("path"),
        Flag.optional
      ),
      city: Flag.String("city").pipe(
        Flag.withDescription("Send this city instead of the one in the value"),
        Flag.withSchema(City),
        Flag.optional
      ),
      temperature: Flag.String("temperature").pipe(
        Flag.withDescription("Send this temperature instead of the one in the value"),
        Flag.withSchema(Temperature),
        Flag.optional
      ),
      event: Flag.String("event").pipe(
        Flag.withDescription("With --stream: send this event, as JSON, instead of the value"),
        Flag.withMetavar("json"),
        Flag.optional
      ),
      stream: streamFlag,
      again: Flag.Boolean("again").pipe(
        Flag.withDescription("Send those that were already sent once more"),
        Flag.withDefault(false),
        Flag.withoutNegation
      ),
      json
    },
    Effect.fn(`floe dlq ${name}`)(
      function* ({ again, all, city, event, file, json, positions, stream, temperature }) {
        const misused = (message: string) => usageError(["floe", "dlq", name], message)
        const correction = { city: Option.getOrUndefined(city), temperature: Option.getOrUndefined(temperature) }
        const isCorrected = Option.isSome(city) || Option.isSome(temperature)
        if (Number(positions.length > 0) + Number(all) + Number(Option.isSome(file)) !== 1) {
          return yield* misused(
            "Give the positions of dead letters (for example, floe dlq redrive 0/12), --all, or --file."
          )
        }
        if (isCorrected && positions.length !== 1) {
          return yield* misused("--city and --temperature correct one dead letter; give one position.")
        }
        if (stream === weather ? Option.isSome(event) : isCorrected) {
          return yield* misused(
            "--city and --temperature correct weather, and --event a dead letter of another --stream."
          )
        }
        if (Option.isSome(event) && positions.length !== 1) {
          return yield* misused("--event corrects one dead letter; give one position.")
        }
        if (all && again) {
          return yield* misused(
            "--all covers only dead letters that were not sent again yet; with --again, give their positions."
          )
        }

        const reading: ReadingOf =
          stream === weather
            ? (value) => readingOf(value, correction)
            : (value) => eventOf(Option.match(event, { onNone: () => value, onSome: Buffer.from }))
        if (stream !== weather) {
          const { writer } = (yield* streamNamed(stream)).definition
          if (writer !== undefined) return yield* new OfProcessor({ stream, processor: writer })
        }
        const snapshot = yield* opened(stream)
        const wanted: Stream.Stream<Wanted, DeadLettersUnavailable | FileUnreadable> = all
          ? waiting(snapshot, reading)
          : Option.match(file, {
              onSome: (path) => ofFile(path, stream),
              onNone: () => someOf(snapshot, positions, reading)
            })
        const total = all ? snapshot.waiting : positions.length > 0 ? positions.length : undefined
        const outcomes = makeSummary(Option.isSome(file))
        yield* withProgress(({ show }) => {
          const sent = sendAgain(snapshot, wanted, again, stream).pipe(
            Stream.tap((outcome) => {
              outcomes.take(outcome)
              return show(() => outcomes.progress(total))
            })
          )
          const work = json ? print(Stream.map(sent, jsonLine)) : Stream.runDrain(sent)
          return work.pipe(ticking(show, () => outcomes.progress(total)))
        }).pipe(
          Effect.onInterrupt(() =>
            Console.error(
              again
                ? "Stopped. The same command would send everything once more; run floe dlq list --all to see what was sent."
                : "Stopped. Run the same command to send the rest; nothing is sent twice."
            )
          ),
          Effect.onExit((exit) => {
            const text = outcomes.text() || (Exit.isSuccess(exit) ? "There is nothing to send.\n" : "")
            return json ? Effect.void : Effect.ignore(print(Stream.make(text)))
          })
        )
        const failure = outcomes.failure()
        if (failure !== undefined) return yield* failure
      },
      (effect, { all, json }) =>
        Effect.catchTag(effect, "NoDeadLetters", (error) => {
          if (!all) return Effect.fail(error)
          return json ? Console.error(error.message) : Console.log(error.message)
        })
    )
  ).pipe(
    Command.withDescription(
      "Send dead letters again, to the logging server at FLOE_TARGET. The server assigns the current hour; any ts in the value is ignored, as are other surplus fields. A value that is a valid reading is sent as it is. Correct other values with --city and --temperature, or in a file: run floe dlq list --json > corrected.ndjson, edit city and temperature, and pass the file with --file. Each dead letter that cannot be sent is listed with the reason, and the exit code is 1. Floe records what was sent in the dead-letter topic and sends it again only with --again. With --stream, dead letters of that stream are sent as they are, corrected by --event, or by the event of each line of a file. If the command is interrupted, run it again to continue: within 24 hours, nothing is logged twice."
    ),
    Command.withShortDescription("Send dead letters again, with corrections"),
    Command.withExamples([
      { command: "floe dlq redrive 0/12 --temperature 41.5", description: "Send one with a corrected temperature" },
      { command: "floe dlq redrive --file corrected.ndjson", description: "Send the ones in a file of corrections" },
      { command: "floe dlq redrive --all", description: "Send all that are valid as they are" },
      {
        command: "floe dlq redrive --stream readings --file corrected.ndjson",
        description: "Send corrected events of the stream readings"
      }
    ]),
    Command.provide(LogClientLayer.layer),
    Command.provide(Profile.layer("logTarget")),
    Command.provide(Profile.layer("deadLetters")),
    Command.provide(Profile.layer("streams"))
  )

export const redrive = command("redrive")

/** The former name, which scripts may still use. */
export const replay = command("replay").pipe(Command.unlisted)
