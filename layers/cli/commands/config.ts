import { ConfigProvider, Effect, Option, Schema, Stream } from "effect"
import { Command } from "effect/cli"
import type { Setting } from "../../../services/Setting.ts"
import { settings } from "../../../services/Settings.ts"
import { sentenceOf } from "../../runtime/Shutdown.ts"
import { colorize as painter } from "../terminal/colorize.ts"
import { cell } from "../terminal/formatTable.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"

class InvalidSettings extends Schema.TaggedError<InvalidSettings>()("InvalidSettings", {
  sentences: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.sentences.join("\n")
  }
}

const hidden = "(hidden)"

const describe = Effect.fnUntraced(function* ({
  name,
  byDefault,
  without,
  secret,
  config,
  meaning,
  readBy,
  profile
}: Setting) {
  const provider = yield* ConfigProvider.ConfigProvider
  const node = yield* provider.load([name])
  // A setting that is set to nothing counts as not set.
  const isSet = node?.value !== undefined && node.value !== ""
  const problem = yield* config.parse(provider).pipe(
    Effect.as(null),
    Effect.catch((error) => Effect.succeed(sentenceOf(error)))
  )
  const value = (isSet ? node.value : byDefault) ?? null
  return {
    name,
    value: secret && value !== null ? hidden : value,
    without,
    from: isSet ? "environment" : "default",
    problem,
    profile: profile ?? "both",
    readBy: readBy.replaceAll("`", ""),
    meaning: meaning.replaceAll("`", "")
  }
})

export const config = Command.make(
  "config",
  { json },
  Effect.fn("floe config")(function* ({ json }) {
    const all = yield* Effect.forEach(settings, describe)
    const paint = yield* painter
    const width = Math.max(...all.map(({ name }) => name.length))
    if (json) yield* printJson(all.map(({ without: _, ...setting }) => setting))
    else {
      const lines = all.map(({ name, value, without, from, problem }) => {
        const shown = value === null ? paint("gray", `(${without})`) : cell(value)
        const set = from === "environment" ? `  ${paint("cyan", "from the environment")}` : ""
        return `${name.padEnd(width)}  ${shown}${set}${problem === null ? "" : paint("red", "  cannot be used")}\n`
      })
      yield* print(Stream.make(lines.join("")))
    }
    const sentences = all.flatMap(({ problem }) => Option.toArray(Option.fromNullOr(problem)))
    if (sentences.length > 0) return yield* new InvalidSettings({ sentences })
  })
).pipe(
  Command.withDescription(
    "Show every setting, its value, and where the value comes from. Secrets are hidden. --json also includes what each setting means and which programs read it. Exit code 1 if a value is invalid."
  ),
  Command.withShortDescription("Show every setting and where its value comes from"),
  Command.withExamples([
    { command: "floe config", description: "Show all settings" },
    { command: "FLOE_PORT=9999 floe config --json", description: "Show them as JSON" }
  ])
)
