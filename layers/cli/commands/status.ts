import { Effect, Layer, References, Schedule, Schema, Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as Profile from "../../profile/Profile.ts"
import { collectStatus, type Status } from "../terminal/collectStatus.ts"
import { colorize as painter } from "../terminal/colorize.ts"
import { outputWidth, print } from "../terminal/Output.ts"
import { withActivity } from "../terminal/Progress.ts"
import { json } from "../terminal/printJson.ts"
import { renderStatus } from "../terminal/renderStatus.ts"

const watchInterval = "2 seconds"

class ComponentsDown extends Schema.TaggedError<ComponentsDown>()("ComponentsDown", {
  names: Schema.Array(Schema.String)
}) {
  override get message() {
    const { names } = this
    return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} down; run floe doctor to see what to do.`
  }
}

/** The sink runs, and cannot write some of the streams. */
class StreamsFailed extends Schema.TaggedError<StreamsFailed>()("StreamsFailed", {
  names: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The sink cannot write ${this.names.join(", ")}; run floe doctor to see what to do.`
  }
}

class ProcessorsStopped extends Schema.TaggedError<ProcessorsStopped>()("ProcessorsStopped", {
  names: Schema.Array(Schema.String)
}) {
  override get message() {
    const { names } = this
    return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} stopped; run floe doctor to see what to do.`
  }
}

/** The sink writes these streams, but their small files stay. */
class StreamsUnmaintained extends Schema.TaggedError<StreamsUnmaintained>()("StreamsUnmaintained", {
  names: Schema.Array(Schema.String)
}) {
  override get message() {
    const tables = this.names.length === 1 ? "the table" : "the tables"
    return `The sink writes ${this.names.join(", ")}, but cannot merge the files of ${tables}; run floe doctor to see what to do.`
  }
}

/** All components are up, but the log or the table cannot be read. */
class StatusUnavailable extends Schema.TaggedError<StatusUnavailable>()("StatusUnavailable", {
  reasons: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.reasons.join("\n")
  }
}

const failureOf = ({ components, processors = [], unread, streams = [] }: Status) => {
  const names = components.filter(({ state }) => state === "down").map(({ name }) => name)
  if (names.length > 0) return Effect.fail(new ComponentsDown({ names }))
  const failed = streams.filter(({ failed }) => failed !== null).map(({ name }) => name)
  if (failed.length > 0) return Effect.fail(new StreamsFailed({ names: failed }))
  const stopped = processors.filter(({ state }) => state === "stopped").map(({ name }) => name)
  if (stopped.length > 0) return Effect.fail(new ProcessorsStopped({ names: stopped }))
  const reasons = [unread, ...streams.map(({ unread }) => unread)]
    .flatMap(({ log, table }) => [log, table])
    .filter((reason) => reason !== null)
  if (reasons.length > 0) return Effect.fail(new StatusUnavailable({ reasons }))
  const unmaintained = streams.filter((stream) => stream.unmaintained !== null).map(({ name }) => name)
  return unmaintained.length > 0 ? Effect.fail(new StreamsUnmaintained({ names: unmaintained })) : Effect.void
}

const collected = collectStatus.pipe(withActivity("Checking the components, the log and the table"))

/** Warnings would break the screen; floe doctor reports them. */
const silent = Layer.succeed(References.MinimumLogLevel, "None")

const clear = "\u001b[H\u001b[J"

export const status = Command.make(
  "status",
  {
    watch: Flag.Boolean("watch").pipe(
      Flag.withAlias("w"),
      Flag.withDescription("Refresh every 2 seconds until Ctrl-C"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn("floe status")(function* ({ watch, json }) {
    const terminal = yield* (yield* Stdio.Stdio).stdoutIsTerminal
    const paint = yield* painter
    const width = yield* outputWidth
    const show = (status: Status) => {
      if (json) return `${watch ? JSON.stringify(status) : JSON.stringify(status, null, 2)}\n`
      return `${watch && terminal ? clear : ""}${renderStatus(status, paint, width)}`
    }
    const quietly = Effect.provide(collected, silent)
    if (watch) {
      return yield* print(Stream.map(Stream.fromEffectSchedule(quietly, Schedule.spaced(watchInterval)), show))
    }
    const status = yield* quietly
    yield* print(Stream.make(show(status)))
    yield* failureOf(status)
  })
).pipe(
  Command.withDescription(
    "Show the state of each component, the positions of the log and the table, and the lag between them. Streams of your own and processors follow, a line each. In the distributed profile, the table's position comes from the sink's control topic; if it is not there, Floe shows the table's rows and the age of its newest snapshot instead. Exit code 1 if a component is down, if the sink cannot write or maintain a stream, if a processor is stopped, or if the log or the table cannot be read."
  ),
  Command.withShortDescription("Show components, positions and lag"),
  Command.withExamples([
    { command: "floe status", description: "Show the current status" },
    { command: "floe status --watch", description: "Keep the screen up to date" },
    { command: "floe status --json | jq .lag", description: "Print only the lag, as JSON" }
  ]),
  Command.provide(Profile.layer("status"))
)
