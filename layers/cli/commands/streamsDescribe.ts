import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { typeText } from "../../declaration/compareStreams.ts"
import * as Profile from "../../profile/Profile.ts"
import { partitionsText, pathsIn, rulesText } from "../terminal/columnText.ts"
import { count, facts, list, text, time } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { ownedName, ownerFlag, streamNamed } from "../terminal/streamFlag.ts"
import { usageError } from "../terminal/usageError.ts"

type Row = ReturnType<typeof pathsIn>[number] & { readonly id: number }

const presence = ({ column, type }: Row) => {
  if (type.type === "accepted") return "set by the server"
  return column === undefined ? null : column.required ? "required" : "optional"
}

const rowsOf = ({ definition, ids }: AppliedStream) =>
  pathsIn(definition.columns).map((row): Row => ({ ...row, id: ids[row.path] ?? 0 }))

export const describe = Command.make(
  "describe",
  {
    name: Argument.String("name").pipe(Argument.withDescription("Name of the stream"), Argument.optional),
    stream: ownerFlag.pipe(Flag.withDescription("The same as the name")),
    json
  },
  Effect.fn("floe streams describe")(function* ({ name, stream, json }) {
    if (Option.isNone(name) && Option.isNone(stream)) {
      return yield* usageError(["floe", "streams", "describe"], "Name the stream; floe streams list lists them all")
    }
    const applied = yield* streamNamed(yield* ownedName("floe streams describe", name, stream, (one) => one))
    if (json) return yield* printJson(applied)
    const { definition, version, appliedAt } = applied
    yield* facts([
      ["stream", definition.name],
      ...(definition.doc === undefined ? [] : [["description", definition.doc] as const]),
      ["version", appliedAt === 0 ? `${version}, built in` : `${version}, applied ${time(appliedAt)}`],
      ["key", definition.key ?? "none"],
      ["table", `iceberg.default.${definition.name}`],
      ["partitioned by", partitionsText(definition.partitionBy) || "nothing"]
    ])
    yield* print(Stream.make("\n"))
    yield* list(
      [
        text("column", ({ path }: Row) => path),
        count("id", ({ id }: Row) => id),
        text("type", ({ type }: Row) => typeText(type)),
        text("clients", presence),
        text("rules", ({ type }: Row) => rulesText(type) || null),
        text("description", ({ column }: Row) => column?.doc ?? null)
      ],
      Stream.fromIterable(rowsOf(applied)),
      false
    )
  })
).pipe(
  Command.withDescription(
    "Show a stream of this log: its version, key and partitions, and each column with the id that it has in the Iceberg table, its type, whether clients must send it, and its rules. --json prints the whole definition."
  ),
  Command.withShortDescription("Show a stream and its columns"),
  Command.withExamples([
    { command: "floe streams describe weather", description: "Show the built-in stream" },
    { command: "floe streams describe readings --json", description: "A stream of your own, as JSON" }
  ]),
  Command.provide(Profile.layer("streams"))
)
