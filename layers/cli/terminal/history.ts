/** The prompt's history, in a file under XDG_STATE_HOME. If the file cannot be used, the prompt works without it. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import { Config, Effect, Option } from "effect"

export const linesKept = 1000

const attempt = <A>(run: () => A) => Effect.option(Effect.try({ try: run, catch: () => undefined }))

export const open = Effect.gen(function* () {
  const state = yield* Config.option(Config.NonEmptyString("XDG_STATE_HOME"))
  const folder = Option.getOrElse(state, () => join(homedir(), ".local", "state"))
  const file = join(folder, "floe", "query_history")

  const text = yield* attempt(() => readFileSync(file, "utf8"))
  const all = Option.getOrElse(text, () => "")
    .split("\n")
    .filter((line) => line !== "")
  const lines = all.slice(-linesKept)
  if (all.length > linesKept * 2) yield* attempt(() => writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 }))

  return {
    lines: lines.reverse(),
    /** Synchronous, so that a Ctrl-C always reaches the statement. */
    add: (line: string) =>
      attempt(() => {
        mkdirSync(dirname(file), { recursive: true })
        appendFileSync(file, `${line}\n`, { mode: 0o600 })
      })
  }
})
