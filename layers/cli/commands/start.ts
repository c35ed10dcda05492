import { Command } from "effect/cli"
import { usageError } from "../terminal/usageError.ts"

/** bin/floe.js runs the program itself; this has its help. */
export const start = Command.make("start", {}, () =>
  usageError(["floe", "start"], "start Floe with npx floe start, or node dist/standalone.js")
).pipe(
  Command.withDescription(
    "Run Floe in this process, on the embedded profile, until Ctrl-C: the logging server, the sink that writes the tables, and, if no streams are declared, the generator of example events (FLOE_GENERATOR turns it on or off). Other commands find it through the data folder."
  ),
  Command.withShortDescription("Run Floe on this machine"),
  Command.withExamples([
    { command: "floe start", description: "Keep the data in ./data" },
    { command: "FLOE_PORT=18091 FLOE_DATA=/srv/floe floe start", description: "Another port and another folder" }
  ])
)
