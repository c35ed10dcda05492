/** Logs of a command: warnings and errors only, on standard error. */
import { Layer, Logger, References } from "effect"
import { human } from "../../runtime/ConsoleLogger.ts"

export const warnings = Layer.merge(
  Logger.layer([Logger.withConsoleError(human(process.stderr.isTTY && process.stderr.hasColors()))]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)
