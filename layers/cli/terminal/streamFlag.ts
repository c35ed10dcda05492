/** `--stream`: the stream that a command is about, on every command that is about one; weather without it. */
import { Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { EventLogReader, type LogReader } from "../../../services/EventLog.ts"
import { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"
import { usageError } from "./usageError.ts"

export const streamFlag = Flag.String("stream").pipe(
  Flag.withDescription("A stream of your own instead of weather"),
  Flag.withMetavar("name"),
  Flag.withDefault(weather)
)

/** For commands whose argument names what belongs to a stream: its table, its connector, its topic. */
export const ownerFlag = Flag.String("stream").pipe(
  Flag.withDescription("The stream that it belongs to, instead of its own name"),
  Flag.withMetavar("name"),
  Flag.optional
)

/** The name that was given, or the one that `of` gives to what belongs to the stream; of weather if neither was given. */
export const ownedName = (
  command: string,
  name: Option.Option<string>,
  stream: Option.Option<string>,
  of: (stream: string) => string
) =>
  Option.isSome(name) && Option.isSome(stream)
    ? Effect.fail(usageError(command.split(" "), `${name.value} and --stream cannot be combined; give one of them`))
    : Effect.succeed(Option.getOrElse(name, () => of(Option.getOrElse(stream, () => weather))))

/** The stream as it is applied; fails with a sentence if there is none of that name. */
export const streamNamed = (name: string) => Effect.flatMap(Streams, ({ find }) => find(name))

/** The log of a stream that exists. */
export const logOf = (name: string): Effect.Effect<LogReader, never, EventLogReader> =>
  Effect.map(EventLogReader, (log) => (name === weather ? log : log.of(name)))
