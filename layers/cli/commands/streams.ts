import { Command } from "effect/cli"
import { apply } from "./streamsApply.ts"
import { check } from "./streamsCheck.ts"
import { compile } from "./streamsCompile.ts"
import { describe } from "./streamsDescribe.ts"
import { init } from "./streamsInit.ts"
import { list } from "./streamsList.ts"
import { plan } from "./streamsPlan.ts"

export const streams = Command.make("streams").pipe(
  Command.withDescription(
    "Your own streams: each is an endpoint, a durable log and a typed table. A TypeScript module declares them with Effect schemas: the file that FLOE_STREAMS names, or else floe.streams.ts or floe.streams.json in the working folder. docs/streams.md is the guide."
  ),
  Command.withShortDescription("Declare, change and inspect your own streams"),
  Command.withSubcommands([init, check, compile, plan, apply, list, describe])
)
