import { Command } from "effect/cli"
import { views } from "./TableViews.ts"

export const table = Command.make("table").pipe(
  Command.withDescription("Look at a table: what it is, its snapshots, its files."),
  Command.withShortDescription("Look at a table"),
  Command.withSubcommands(views)
)
