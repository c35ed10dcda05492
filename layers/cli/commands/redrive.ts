import { Console, Effect, Exit, Option, Result, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { DeadLettersSnapshot } from "../../../services/DeadLetters.ts"
import type { Position } from "../../../services/EventLog.ts"
import { City, Temperature } from "../../../services/Weather.ts"
import { type Correction, readingOf } from "../../ingest/deadletters/Correction.ts"
import { readCorrections } from "../../ingest/deadletters/readCorrections.ts"
import { redrive as redelivered, type Wanted } from "../../ingest/deadletters/redrive.ts"
import * as LogClientLayer from "../../ingest/LogClient.ts"
import * as Profile from "../../profile/Profile.ts"
import { opened, position } from "../terminal/deadLetterArguments.ts"
import { print } from "../terminal/Output.ts"
import { ticking, withProgress } from "../terminal/Progress.ts"
import { json } from "../terminal/printJson.ts"
import { jsonLine, tally } from "../terminal/renderRedrive.ts"
import { usageError } from "../terminal/usageError.ts"

const waiting = ({ letters }: DeadLettersSnapshot) =>
  letters.pipe(
    Stream.filter(({ redrives }) => redrives.length === 0),
    Stream.map(({ position, value }): Wanted => ({ position, reading: readingOf(value) }))
  )

const someOf = (then: DeadLettersSnapshot, positions: ReadonlyArray<Position>, mended: Correction) =>
  Stream.mapEffect(Stream.fromIterable(positions), (position) =>
    then.find(position).pipe(
      Effect.map(({ value }): Wanted => ({ position, reading: readingOf(value, mended) })),
      Effect.catchTag("NoSuchDeadLetter", ({ reason }) =>
        Effect.succeed<Wanted>({ position, reading: Result.fail(reason) })
      )
    )
  )

const ofFile = (path: string) =>
  Stream.map(
    readCorrections(path),
    ({ line, mended }): Wanted =>
      Result.isSuccess(mended)
        ? { ...mended.success, line }
        : { position: null, line, reading: Result.fail(mended.failure) }
  )

const misused = (message: string) => usageError(["floe", "dlq", "replay"], message)

export const redrive = Command.make(
  "replay",
  {
    positions: position.pipe(Argument.variadic()),
    all: Flag.Boolean("all").pipe(Flag.withDescription("All that wait"), Flag.withDefault(false), Flag.withoutNegation),
    file: Flag.String("file").pipe(
      Flag.withAlias("f"),
      Flag.withDescription(
        'Those that this file has mended: {"position":"0/12","city":"Oslo","temperature":"41.5"} a line'
      ),
      Flag.withMetavar("path"),
      Flag.optional
    ),
    city: Flag.String("city").pipe(
      Flag.withDescription("The city to send, in place of what the value has"),
      Flag.withSchema(City),
      Flag.optional
    ),
    temperature: Flag.String("temperature").pipe(
      Flag.withDescription("The temperature to send, in place of what the value has"),
      Flag.withSchema(Temperature),
      Flag.optional
    ),
    again: Flag.Boolean("again").pipe(
      Flag.withDescription("Also those that were sent before, once more"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn("floe dlq replay")(
    function* ({ again, all, city, file, json, positions, temperature }) {
      const mended = { city: Option.getOrUndefined(city), temperature: Option.getOrUndefined(temperature) }
      const isMended = Option.isSome(city) || Option.isSome(temperature)
      if (Number(positions.length > 0) + Number(all) + Number(Option.isSome(file)) !== 1) {
        return yield* misused("Give positions of dead letters, such as floe dlq replay 0/12, or --all, or --file.")
      }
      if (isMended && positions.length !== 1) return yield* misused("--city and --temperature mend one dead letter.")
      if (all && again) return yield* misused("--all is for those that wait; name the ones to send again.")

      const then = yield* opened
      const wanted: Stream.Stream<Wanted, Error> = all
        ? waiting(then)
        : Option.match(file, { onSome: ofFile, onNone: () => someOf(then, positions, mended) })
      const total = all ? then.waiting : positions.length > 0 ? positions.length : undefined
      const outcomes = tally(Option.isSome(file))
      yield* withProgress(({ show }) => {
        const done = redelivered(then, wanted, again).pipe(
          Stream.tap((outcome) => {
            outcomes.take(outcome)
            return show(() => outcomes.progress(total))
          })
        )
        const work = json ? print(Stream.map(done, jsonLine)) : Stream.runDrain(done)
        // A server that is away is asked again for a while.
        return work.pipe(ticking(show, () => outcomes.progress(total)))
      }).pipe(
        Effect.onInterrupt(() =>
          Console.error(
            again
              ? "Stopped; floe dlq list --all shows what was sent, which the same command would send once more."
              : "Stopped; the same command goes on with the rest, and doubles nothing."
          )
        ),
        // What was sent before it failed is sent.
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
    "Send dead letters again, to the logging server at FLOE_TARGET, which gives them the hour of now: a ts that the value has does not count. A value that is a valid reading now, surplus fields aside, is sent as it is; others are mended with --city and --temperature, or in a file: floe dlq list --json > mended.ndjson, edit city and temperature, and give it to --file. What cannot be sent is named with the reason, and the exit code is 1. What was sent is noted in the topic of dead letters and is not sent again but with --again; a command that was broken off goes on when it is given again, and within 24 hours nothing is logged twice."
  ),
  Command.withShortDescription("Send dead letters again, mended"),
  Command.withExamples([
    { command: "floe dlq replay 0/12 --temperature 41.5", description: "One, with its temperature mended" },
    { command: "floe dlq replay --file mended.ndjson", description: "Those of a file" },
    { command: "floe dlq replay --all", description: "All that are valid as they are" }
  ]),
  Command.provide(LogClientLayer.layer),
  Command.provide(Profile.logTarget),
  Command.provide(Profile.deadLetters)
)
