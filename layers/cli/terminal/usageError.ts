import { CliError } from "effect/cli"

/** Invalid usage; exit code 2. */
export const usageError = (commandPath: ReadonlyArray<string>, message: string) =>
  new CliError.ShowHelp({ commandPath, errors: [new CliError.UserError({ cause: message, userMessage: message })] })
