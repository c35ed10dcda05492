import { Effect, Stream } from "effect"
import { Argument, Command, Completions } from "effect/cli"
import { print } from "./Output.ts"

/** Has a script ask for the names of the streams after `--stream`; the library knows only fixed values. */
const withStreamNames = (script: string, shell: "bash" | "zsh" | "fish") => {
  switch (shell) {
    case "bash":
      return script.replaceAll(
        `  case "$prev" in\n`,
        `  case "$prev" in\n    --stream) COMPREPLY=( $(compgen -W "$("\${words[0]}" streams list --names 2>/dev/null)" -- "$cur") ); return ;;\n`
      )
    case "zsh":
      return script.replaceAll(
        /('\(--stream\)--stream\[[^\]]*\]):value:'/g,
        `$1:stream:{compadd -- $(floe streams list --names 2>/dev/null)}'`
      )
    case "fish":
      return script.replaceAll(/( -l stream -d '[^']*' -r -f)$/gm, "$1 -a '(floe streams list --names 2>/dev/null)'")
  }
}

/** `floe` is passed lazily because it contains this command. */
export const completions = (floe: () => Command.Command.Any) =>
  Command.make(
    "completions",
    {
      shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(Argument.withDescription("bash, zsh or fish"))
    },
    Effect.fn("floe completions")(function* ({ shell }) {
      const script = Completions.generate("floe", shell, Completions.fromCommand(floe()))
      // The script names the library's own flag.
      const named = withStreamNames(script.replaceAll("floe --completions", "floe completions"), shell)
      yield* print(Stream.make(`${named.trimEnd()}\n`))
    })
  ).pipe(
    Command.withDescription("Print a shell script that completes floe's commands and flags."),
    Command.withShortDescription("Print a completion script for a shell"),
    Command.withExamples([
      { command: 'eval "$(floe completions bash)"', description: "In ~/.bashrc, if floe is on the PATH" },
      {
        command: "floe completions zsh > ~/.zfunc/_floe",
        description: "For zsh, run once; ~/.zshrc needs: fpath=(~/.zfunc $fpath); autoload -Uz compinit && compinit"
      },
      { command: "floe completions fish > ~/.config/fish/completions/floe.fish", description: "For fish, run once" }
    ])
  )
