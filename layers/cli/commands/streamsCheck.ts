import { Console, Effect, Stream } from "effect"
import { Command } from "effect/cli"
import type { StreamDefinition } from "../../../services/StreamDefinition.ts"
import * as Declaration from "../../declaration/Declaration.ts"
import { reservedNames } from "../../declaration/reservedWords.ts"
import { partitionsText } from "../terminal/columnText.ts"
import { count, list, text } from "../terminal/listing.ts"
import { json } from "../terminal/printJson.ts"

export const check = Command.make(
  "check",
  { json },
  Effect.fn("floe streams check")(function* ({ json }) {
    const file = yield* Declaration.required
    const { streams } = yield* Declaration.read(file)
    for (const sentence of streams.flatMap(reservedNames)) {
      yield* Console.error(`Warning: ${file}: ${sentence}.`)
    }
    yield* list(
      [
        text("stream", ({ name }: StreamDefinition) => name),
        count("columns", ({ columns }: StreamDefinition) => columns.length),
        text("key", ({ key }: StreamDefinition) => key),
        text("partitioned by", ({ partitionBy }: StreamDefinition) => partitionsText(partitionBy) || null)
      ],
      Stream.fromIterable(streams),
      json
    )
  })
).pipe(
  Command.withDescription(
    "Check the declaration and list the streams that it declares. Every fault is reported in one sentence with the file, the stream and the column; exit code 1 if there is one. A column whose name SQL reserves gets a warning. Nothing is changed, and no server is needed."
  ),
  Command.withShortDescription("Check the declaration of your streams"),
  Command.withExamples([
    { command: "floe streams check", description: "Check floe.streams.ts" },
    { command: "FLOE_STREAMS=events/streams.ts floe streams check", description: "Check another file" }
  ])
)
