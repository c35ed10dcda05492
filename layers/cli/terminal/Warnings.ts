/** A command's output is its own: what is logged goes to standard error, and only if it is a warning. */
import { Layer, Logger, References } from "effect"
import { human } from "../../runtime/ConsoleLogger.ts"

export const warnings = Layer.merge(
  Logger.layer([Logger.withConsoleError(human(process.stderr.isTTY && process.stderr.hasColors()))]),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)
