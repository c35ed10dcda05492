import { Effect, Stream } from "effect"
import { Argument, Command, Completions } from "effect/cli"
import { print } from "./Output.ts"

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
      yield* print(Stream.make(`${script.replaceAll("floe --completions", "floe completions").trimEnd()}\n`))
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
