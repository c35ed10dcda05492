/** The lines typed at the prompt, kept in a file under the user's state folder. A convenience: without it the prompt works. */
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
    /** Newest first. */
    lines: lines.reverse(),
    /** At once: a Ctrl-C that comes meanwhile is meant for the statement. */
    add: (line: string) =>
      attempt(() => {
        mkdirSync(dirname(file), { recursive: true })
        appendFileSync(file, `${line}\n`, { mode: 0o600 })
      })
  }
})
