/** `--stream`: the stream that a command is about; weather without it. */
import { Effect } from "effect"
import { Flag } from "effect/cli"
import { EventLogReader, type LogReader } from "../../../services/EventLog.ts"
import { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"

export const streamFlag = Flag.String("stream").pipe(
  Flag.withDescription("A stream of your own instead of weather"),
  Flag.withMetavar("name"),
  Flag.withDefault(weather)
)

/** The stream as it is applied; fails with a sentence if there is none of that name. */
export const streamNamed = (name: string) => Effect.flatMap(Streams, ({ find }) => find(name))

/** The log of a stream that exists. */
export const logOf = (name: string): Effect.Effect<LogReader, never, EventLogReader> =>
  Effect.map(EventLogReader, (log) => (name === weather ? log : log.of(name)))
