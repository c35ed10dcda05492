import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import * as Profile from "../../profile/Profile.ts"
import { partitionsText } from "../terminal/columnText.ts"
import { count, list as print, text, time } from "../terminal/listing.ts"
import { print as write } from "../terminal/Output.ts"
import { json } from "../terminal/printJson.ts"

const columns = [
  text("stream", ({ definition }: AppliedStream) => definition.name),
  count("version", ({ version }: AppliedStream) => version),
  count("columns", ({ definition }: AppliedStream) => definition.columns.length),
  text("key", ({ definition }: AppliedStream) => definition.key),
  text("partitioned by", ({ definition }: AppliedStream) => partitionsText(definition.partitionBy) || null),
  text("applied", ({ appliedAt }: AppliedStream) => (appliedAt === 0 ? null : time(appliedAt)))
]

export const list = Command.make(
  "list",
  {
    json,
    // For the completion scripts.
    names: Flag.Boolean("names").pipe(Flag.withDefault(false), Flag.withHidden)
  },
  Effect.fn("floe streams list")(function* ({ json, names }) {
    const streams = yield* (yield* Streams).all
    if (names) return yield* write(Stream.fromIterable(streams.map(({ definition }) => `${definition.name}\n`)))
    yield* print(columns, Stream.fromIterable(streams), json)
  })
).pipe(
  Command.withDescription(
    "List the streams of this log: weather, which is built in, and your own. The log keeps them, so this needs no declaration and works in every folder."
  ),
  Command.withShortDescription("List the streams of this log"),
  Command.withExamples([
    { command: "floe streams list", description: "List the streams" },
    { command: "floe streams list --json", description: "As JSON" }
  ]),
  Command.provide(Profile.layer("streams"))
)
