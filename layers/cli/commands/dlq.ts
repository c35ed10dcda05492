import { Console, Effect, Option, Schema, Stdio, Stream, Terminal } from "effect"
import { Command, Flag } from "effect/cli"
import type { DeadLettersSnapshot } from "../../../services/DeadLetters.ts"
import { textOf } from "../../ingest/deadletters/Correction.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { opened, position } from "../terminal/deadLetterArguments.ts"
import { facts, list as listed } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { json } from "../terminal/printJson.ts"
import { columnsOf, entriesOf, jsonLine } from "../terminal/renderDeadLetters.ts"
import { usageError } from "../terminal/usageError.ts"
import { redrive, replay } from "./redrive.ts"

const nothing = ({ redriven, topic }: DeadLettersSnapshot) =>
  redriven === 0
    ? `Nothing is waiting: the sink has put nothing into ${topic}.\n`
    : `Nothing is waiting: all ${plural(redriven, "dead letter was", "dead letters were")} sent again; --all shows them.\n`

const terminalWidth = Effect.gen(function* () {
  if (!(yield* (yield* Stdio.Stdio).stdoutIsTerminal)) return undefined
  return (yield* (yield* Terminal.Terminal).columns) || 80
})

const list = Command.make(
  "list",
  {
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Also those that were sent again"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("Only the first so many"),
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
      Flag.withMetavar("number"),
      Flag.optional
    ),
    json
  },
  Effect.fn("floe dlq list")(
    function* ({ all, json, limit }) {
      const then = yield* opened
      const wanted = then.letters.pipe(
        Stream.filter(({ redrives }) => all || redrives.length === 0),
        Stream.take(Option.getOrElse(limit, () => Number.POSITIVE_INFINITY))
      )
      if (json) return yield* print(Stream.map(wanted, jsonLine))
      if (then.waiting + (all ? then.redriven : 0) === 0) return yield* print(Stream.make(nothing(then)))
      yield* listed(columnsOf(all, yield* terminalWidth), wanted, false)
    },
    // An answer, and no failure; for a program it is no lines.
    (effect, { json }) =>
      Effect.catchTag(effect, "NoDeadLetters", ({ message }) => (json ? Console.error(message) : Console.log(message)))
  )
).pipe(
  Command.withDescription(
    "List what the connector has refused and what was not sent again yet, oldest first: its position among the dead letters, when it was logged and where in the log, the reason, and how its value begins. With --json one object a line, with all there is: position, city and temperature (null where the value has no such text) can be mended there and given to floe dlq redrive --file."
  ),
  Command.withShortDescription("List what the connector has refused"),
  Command.withExamples([
    { command: "floe dlq list", description: "What waits to be mended and sent again?" },
    { command: "floe dlq list --json > mended.ndjson", description: "All of it, to be mended in an editor" }
  ]),
  Command.provide(Profile.layer("deadLetters"))
)

class NotForTerminals extends Schema.TaggedError<NotForTerminals>()("NotForTerminals", {}) {
  override get message() {
    return "The value has bytes that a terminal could take for commands; send it into a file or a pipe (--raw > value)."
  }
}

const isHarmless = (value: Uint8Array) => /^(\P{Cc}|[\n\t])*$/u.test(textOf(value) ?? "\0")

const show = Command.make(
  "show",
  {
    position,
    raw: Flag.Boolean("raw").pipe(
      Flag.withDescription("Only the bytes of its value, as they are"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn("floe dlq show")(function* ({ json, position, raw }) {
    if (raw && json) return yield* usageError(["floe", "dlq", "show"], "Give --raw or --json, not both.")
    const then = yield* opened
    const letter = yield* then.find(position)
    if (json) return yield* print(Stream.make(jsonLine(letter)))
    if (!raw) return yield* facts(entriesOf(letter, then.topic))
    const { value } = letter
    if (value === null) return
    if ((yield* (yield* Stdio.Stdio).stdoutIsTerminal) && !isHarmless(value)) return yield* new NotForTerminals()
    yield* print(Stream.make(value))
  })
).pipe(
  Command.withDescription(
    "Show one dead letter: who refused it and why, its key, headers and value in full, and the trace. Control characters are shown as signs, and bytes that are no text in hexadecimal; --raw gives the value as it is."
  ),
  Command.withShortDescription("Show one dead letter in full"),
  Command.withExamples([
    { command: "floe dlq show 0/12", description: "Why was it refused?" },
    { command: "floe dlq show 0/12 --raw > value.json", description: "Its value, byte for byte" }
  ]),
  Command.provide(Profile.layer("deadLetters"))
)

export const dlq = Command.make("dlq").pipe(
  Command.withDescription(
    "Dead letters: what the connector refused, as it is no weather record, and put into a topic of its own with the reason."
  ),
  Command.withShortDescription("What the connector refused: list, show, send again"),
  Command.withSubcommands([list, show, redrive, replay])
)
