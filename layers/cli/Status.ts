import { Clock, Effect, Option, Schedule, Schema, Stdio, Stream, Terminal } from "effect"
import { Command, Flag } from "effect/cli"
import { type Component, Components } from "../../services/Components.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { profile as profileSetting } from "../../services/Settings.ts"
import { TableReader } from "../../services/TableReader.ts"
import * as Profile from "../Profile.ts"
import { json } from "./Json.ts"
import { size, time } from "./Listing.ts"
import { print } from "./Output.ts"
import { type Paint, paint as painter } from "./Paint.ts"
import { counted } from "./Progress.ts"

const watchInterval = "2 seconds"

class SomethingDown extends Schema.TaggedError<SomethingDown>()("SomethingDown", {
  names: Schema.Array(Schema.String)
}) {
  override get message() {
    const { names } = this
    return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} down; floe doctor says what to do.`
  }
}

/** A part that cannot be read is null, and the components say why. */
const look = Effect.gen(function* () {
  const log = yield* EventLogReader
  const table = yield* TableReader
  const components = yield* (yield* Components).look
  const bounds = Option.getOrNull(yield* Effect.option(log.bounds))
  const read = yield* Effect.option(table.current)
  const current = Option.getOrNull(Option.flatten(read))
  const now = yield* Clock.currentTimeMillis
  const end = bounds === null ? null : bounds.partitions.reduce((sum, { end }) => sum + end, 0)
  const isEmpty = Option.isSome(read) && Option.isNone(read.value)
  const committed = isEmpty ? 0 : (current?.log?.positions[0]?.offset ?? null)
  const events = end === null || committed === null ? null : Math.max(0, end - committed)

  /** Age of the oldest event that is not in the table. */
  const seconds = yield* Effect.gen(function* () {
    if (events === null || committed === null) return null
    if (events === 0) return 0
    const oldest = yield* Stream.runHead(log.read({ partition: 0, offset: committed }, { until: "end" }))
    return Option.match(oldest, {
      onNone: () => null,
      onSome: ({ acceptedAt }) => Math.max(0, now - acceptedAt) / 1000
    })
  }).pipe(Effect.orElseSucceed(() => null))

  return {
    profile: yield* profileSetting,
    at: time(now),
    components,
    log: bounds === null ? null : { id: bounds.logId, partitions: bounds.partitions, end },
    table:
      current === null
        ? null
        : {
            snapshot: current.id,
            committedAt: time(current.committedAt),
            committedSecondsAgo: Math.max(0, now - current.committedAt) / 1000,
            committed,
            rows: current.rows,
            files: current.files,
            bytes: current.bytes
          },
    lag: { events, seconds }
  }
}).pipe(Effect.withSpan("Status.look"))
type Status = Effect.Success<typeof look>

/** As 4 s, 3 min, 5 h, 2 days. */
const span = (seconds: number) => {
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}

const colours = { up: "green", starting: "yellow", paused: "yellow", down: "red" } as const

const componentLine = (paint: Paint, width: number, { name, state, millis, version, detail }: Component) => {
  const left = `  ${name.padEnd(8)} `
  const right = `${millis.toFixed(0).padStart(6)} ms  ${(version ?? "").padEnd(15)} ${detail}`
  const shown = right.slice(0, Math.max(40, width - left.length - 8))
  return `${left}${paint(colours[state], state.padEnd(8))}${shown.trimEnd()}`
}

const text = ({ profile, at, components, log, table, lag }: Status, paint: Paint, width: number) => {
  const unknown = "not known"
  const behind =
    lag.events === null
      ? unknown
      : lag.events === 0
        ? "none"
        : `${counted(lag.events)} events${lag.seconds === null ? "" : `, the oldest for ${span(lag.seconds)}`}`
  const committed =
    table === null ? "no table yet" : table.committed === null ? "the table does not tell" : counted(table.committed)
  const last = table === null ? "none" : `${span(table.committedSecondsAgo)} ago, snapshot ${table.snapshot}`
  const rows = table?.rows == null ? unknown : counted(table.rows)
  const bytes = table?.bytes == null ? "" : ` (${size(table.bytes)})`
  const facts = [
    ["log end", log === null ? unknown : counted(log.end ?? 0)],
    ["committed", committed],
    ["lag", behind],
    ["last commit", last],
    ["rows", table === null ? "none" : rows],
    ["files", table?.files == null ? unknown : `${counted(table.files)}${bytes}`]
  ]
  return [
    `${paint("bold", `Floe, ${profile} profile`)}  ${paint("gray", at)}`,
    "",
    ...components.map((one) => componentLine(paint, width, one)),
    "",
    ...facts.map(([name = "", value]) => `  ${name.padEnd(12)} ${value}`),
    ""
  ].join("\n")
}

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
    const columns = yield* (yield* Terminal.Terminal).columns
    const width = terminal ? columns || 80 : Number.MAX_SAFE_INTEGER
    const show = (status: Status) => {
      if (json) return `${watch ? JSON.stringify(status) : JSON.stringify(status, null, 2)}\n`
      return `${watch && terminal ? clear : ""}${text(status, paint, width)}`
    }
    if (watch) {
      return yield* print(Stream.map(Stream.fromEffectSchedule(look, Schedule.spaced(watchInterval)), show))
    }
    const found = yield* look
    yield* print(Stream.make(show(found)))
    const names = found.components.filter(({ state }) => state === "down").map(({ name }) => name)
    if (names.length > 0) return yield* new SomethingDown({ names })
  })
).pipe(
  Command.withDescription(
    "Show what runs, how far the log and the table are, and how far the table is behind. Exit code 1 if a part is down."
  ),
  Command.withShortDescription("Show what runs, and how far the table is behind the log"),
  Command.withExamples([
    { command: "floe status", description: "How is it?" },
    { command: "floe status --watch", description: "On a screen that is kept up to date" },
    { command: "floe status --json | jq .lag", description: "For a program" }
  ]),
  Command.provide(Profile.status)
)
