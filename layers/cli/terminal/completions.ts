import { Effect, Stream } from "effect"
import { Argument, Command, Completions } from "effect/cli"
import { print } from "./Output.ts"

/** Of the commands of `floe`, which are only there when all of them are. */
export const completions = (floe: () => Command.Command.Any) =>
  Command.make(
    "completions",
    {
      shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(Argument.withDescription("bash, zsh or fish"))
    },
    Effect.fn("floe completions")(function* ({ shell }) {
      const script = Completions.generate("floe", shell, Completions.fromCommand(floe()))
      // It names the flag that the library has for this.
      yield* print(Stream.make(`${script.replaceAll("floe --completions", "floe completions").trimEnd()}\n`))
    })
  ).pipe(
    Command.withDescription("Print a script that completes floe's commands and flags in a shell."),
    Command.withShortDescription("Print a completion script for a shell"),
    Command.withExamples([
      { command: 'eval "$(floe completions bash)"', description: "In ~/.bashrc, where floe is on the PATH" },
      {
        command: "floe completions zsh > ~/.zfunc/_floe",
        description: "For zsh, once; ~/.zshrc has: fpath=(~/.zfunc $fpath); autoload -Uz compinit && compinit"
      },
      { command: "floe completions fish > ~/.config/fish/completions/floe.fish", description: "For fish, once" }
    ])
  )
