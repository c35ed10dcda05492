import { CliError } from "effect/cli"

/** What was asked for makes no sense; exit code 2. */
export const usageError = (commandPath: ReadonlyArray<string>, message: string) =>
  new CliError.ShowHelp({ commandPath, errors: [new CliError.UserError({ cause: message, userMessage: message })] })
