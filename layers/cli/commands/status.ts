import { Effect, Layer, References, Schedule, Schema, Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as Profile from "../../profile/Profile.ts"
import { collectStatus, type Status } from "../terminal/collectStatus.ts"
import { colorize as painter } from "../terminal/colorize.ts"
import { outputWidth, print } from "../terminal/Output.ts"
import { saying } from "../terminal/Progress.ts"
import { json } from "../terminal/printJson.ts"
import { renderStatus } from "../terminal/renderStatus.ts"

const watchInterval = "2 seconds"

class SomethingDown extends Schema.TaggedError<SomethingDown>()("SomethingDown", {
  names: Schema.Array(Schema.String)
}) {
  override get message() {
    const { names } = this
    return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} down; floe doctor says what to do.`
  }
}

/** Everything is up, and yet the log or the table cannot be read. */
class StatusUnavailable extends Schema.TaggedError<StatusUnavailable>()("StatusUnavailable", {
  reasons: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.reasons.join("\n")
  }
}

const failureOf = ({ components, unread }: Status) => {
  const names = components.filter(({ state }) => state === "down").map(({ name }) => name)
  if (names.length > 0) return Effect.fail(new SomethingDown({ names }))
  const reasons = [unread.log, unread.table].filter((reason) => reason !== null)
  return reasons.length > 0 ? Effect.fail(new StatusUnavailable({ reasons })) : Effect.void
}

const looked = collectStatus.pipe(saying("Looking at the components, the log and the table"))

/** What the screen does not show is for floe doctor. */
const silent = Layer.succeed(References.MinimumLogLevel, "None")

/** Over the last screen, on a terminal. */
const clear = "\u001b[H\u001b[J"

export const status = Command.make(
  "status",
  {
    watch: Flag.Boolean("watch").pipe(
      Flag.withAlias("w"),
      Flag.withDescription("Look again every 2 seconds, until Ctrl-C"),
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
    const quietly = Effect.provide(looked, silent)
    if (watch) {
      return yield* print(Stream.map(Stream.fromEffectSchedule(quietly, Schedule.spaced(watchInterval)), show))
    }
    const found = yield* quietly
    yield* print(Stream.make(show(found)))
    yield* failureOf(found)
  })
).pipe(
  Command.withDescription(
    "Show what runs, how far the log and the table are, and how far the table is behind. In the distributed profile the table's position is read from the sink's control topic; where that does not tell, its rows and the age of its newest snapshot are shown. Exit code 1 if a part is down, or the log or the table cannot be read."
  ),
  Command.withShortDescription("Show what runs, and how far the table is behind the log"),
  Command.withExamples([
    { command: "floe status", description: "How is it?" },
    { command: "floe status --watch", description: "On a screen that is kept up to date" },
    { command: "floe status --json | jq .lag", description: "For a program" }
  ]),
  Command.provide(Profile.layer("status"))
)
