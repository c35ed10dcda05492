import { Console, Effect, Option, Schema, Stdio, Stream, Terminal } from "effect"
import { Command, Flag } from "effect/cli"
import type { DeadLettersSnapshot } from "../../../services/DeadLetters.ts"
import { weather } from "../../../services/TableReader.ts"
import { textOf } from "../../ingest/deadletters/Correction.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { opened, position } from "../terminal/deadLetterArguments.ts"
import { facts, list as listed } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { json } from "../terminal/printJson.ts"
import {
  columnsOf,
  entriesOf,
  eventColumnsOf,
  eventEntriesOf,
  eventJsonLine,
  jsonLine
} from "../terminal/renderDeadLetters.ts"
import { streamFlag } from "../terminal/streamFlag.ts"
import { usageError } from "../terminal/usageError.ts"
import { redrive, replay } from "./redrive.ts"

const nothing = ({ redriven, topic }: DeadLettersSnapshot, stream: string) =>
  redriven === 0
    ? stream === weather
      ? `Nothing is waiting: the sink has rejected no record into ${topic}.\n`
      : `Nothing is waiting: the server has kept no event of ${stream} as a dead letter.\n`
    : `Nothing is waiting: all ${plural(redriven, "dead letter was", "dead letters were")} sent again; --all shows them.\n`

const terminalWidth = Effect.gen(function* () {
  if (!(yield* (yield* Stdio.Stdio).stdoutIsTerminal)) return undefined
  return (yield* (yield* Terminal.Terminal).columns) || 80
})

const list = Command.make(
  "list",
  {
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Include those that were already sent again"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("List at most this many"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
      Flag.withMetavar("number"),
      Flag.optional
    ),
    stream: streamFlag,
    json
  },
  Effect.fn("floe dlq list")(
    function* ({ all, json, limit, stream }) {
      const snapshot = yield* opened(stream)
      const wanted = snapshot.letters.pipe(
        Stream.filter(({ redrives }) => all || redrives.length === 0),
        Stream.take(Option.getOrElse(limit, () => Number.POSITIVE_INFINITY))
      )
      if (json) return yield* print(Stream.map(wanted, stream === weather ? jsonLine : eventJsonLine))
      if (snapshot.waiting + (all ? snapshot.redriven : 0) === 0)
        return yield* print(Stream.make(nothing(snapshot, stream)))
      const columns = stream === weather ? columnsOf : eventColumnsOf
      yield* listed(columns(all, yield* terminalWidth), wanted, false)
    },
    (effect, { json }) =>
      Effect.catchTag(effect, "NoDeadLetters", ({ message }) => (json ? Console.error(message) : Console.log(message)))
  )
).pipe(
  Command.withDescription(
    "List the records that the connector rejected and that were not sent again yet, oldest first: the position in the dead-letter topic, the time and position in the log, the reason, and the start of the value. With --json, print each dead letter in full, one object per line. You can correct city and temperature there (null if the value has no such string) and pass the file to floe dlq redrive --file. With --stream, list the events of a stream that the server kept as dead letters (invalid=dead-letter); in --json, correct event. Of a stream that a processor writes, list what the processor could not process."
  ),
  Command.withShortDescription("List the records that the connector rejected"),
  Command.withExamples([
    { command: "floe dlq list", description: "List what is waiting to be corrected and sent again" },
    {
      command: "floe dlq list --json > corrected.ndjson",
      description: "Write everything to a file, to correct in an editor"
    }
  ]),
  Command.provide(Profile.layer("deadLetters")),
  Command.provide(Profile.layer("streams"))
)

class UnprintableValue extends Schema.TaggedError<UnprintableValue>()("UnprintableValue", {}) {
  override get message() {
    return "The value contains bytes that a terminal could interpret as commands; redirect it to a file or a pipe (--raw > value)."
  }
}

const isHarmless = (value: Uint8Array) => /^(\P{Cc}|[\n\t])*$/u.test(textOf(value) ?? "\0")

const show = Command.make(
  "show",
  {
    position,
    stream: streamFlag,
    raw: Flag.Boolean("raw").pipe(
      Flag.withDescription("Print only the value, byte for byte"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn("floe dlq show")(function* ({ json, position, raw, stream }) {
    if (raw && json) return yield* usageError(["floe", "dlq", "show"], "Give --raw or --json, not both.")
    const snapshot = yield* opened(stream)
    const letter = yield* snapshot.find(position)
    const isWeather = stream === weather
    if (json) return yield* print(Stream.make((isWeather ? jsonLine : eventJsonLine)(letter)))
    if (!raw) return yield* facts((isWeather ? entriesOf : eventEntriesOf)(letter, snapshot.topic))
    const { value } = letter
    if (value === null) return
    if ((yield* (yield* Stdio.Stdio).stdoutIsTerminal) && !isHarmless(value)) return yield* new UnprintableValue()
    yield* print(Stream.make(value))
  })
).pipe(
  Command.withDescription(
    "Show one dead letter: which component rejected it and why, its key, headers and value in full, and the stack trace. Control characters appear as symbols, and bytes that are not text in hexadecimal; --raw prints the value unchanged."
  ),
  Command.withShortDescription("Show one dead letter in full"),
  Command.withExamples([
    { command: "floe dlq show 0/12", description: "Show why it was rejected" },
    { command: "floe dlq show 0/12 --raw > value.json", description: "Save its value, byte for byte" }
  ]),
  Command.provide(Profile.layer("deadLetters")),
  Command.provide(Profile.layer("streams"))
)

export const dlq = Command.make("dlq").pipe(
  Command.withDescription(
    "Dead letters are records that were rejected and kept with the reason. In the distributed profile, the connector rejects what is not a weather record and stores it in the dead-letter topic. In the embedded profile, the server keeps the events of your own streams that do not fit their columns, if they were sent with invalid=dead-letter, and processors keep what they cannot process."
  ),
  Command.withShortDescription("List, show and redrive rejected records"),
  Command.withSubcommands([list, show, redrive, replay])
)
