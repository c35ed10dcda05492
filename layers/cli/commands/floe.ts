import { Effect, Stdio } from "effect"
import { Command } from "effect/cli"
import * as UnknownSettings from "../../runtime/unknownSettings.ts"
import { completions } from "../terminal/completions.ts"
import { audit } from "./audit.ts"
import { backup } from "./backup.ts"
import { config } from "./config.ts"
import { connector } from "./connector.ts"
import { dlq } from "./dlq.ts"
import { doctor } from "./doctor.ts"
import { maintain } from "./maintain.ts"
import { processor } from "./processor.ts"
import { query } from "./query.ts"
import { rebuild, replay } from "./rebuild.ts"
import { restore } from "./restore.ts"
import { send } from "./send.ts"
import { setup } from "./setup.ts"
import { start } from "./start.ts"
import { status } from "./status.ts"
import { storage } from "./storage.ts"
import { streams } from "./streams.ts"
import { table } from "./table.ts"
import { tail } from "./tail.ts"
import { topics } from "./topics.ts"

export const floe = Command.make("floe").pipe(
  Command.withDescription(
    "Weather events over HTTP, kept in a durable log, landed exactly once in an Apache Iceberg table."
  ),
  Command.withSubcommands([
    start,
    status,
    doctor,
    query,
    table,
    audit,
    maintain,
    rebuild,
    replay,
    backup,
    restore,
    streams,
    processor,
    tail,
    send,
    setup,
    topics,
    connector,
    dlq,
    storage,
    config,
    completions((): Command.Command.Any => floe)
  ])
)

/** A SQL statement may begin with a comment (`--`), which must not be parsed as a flag: no flag has a space in its name. */
const notAFlag = (argument: string) => (/^--[^\s=]*\s/.test(argument) ? ` ${argument}` : argument)

/** Runs the command that the process's arguments name. Fails with `CliError` on misuse and with the command's own error. */
export const run = (version: string) =>
  Effect.gen(function* () {
    yield* UnknownSettings.warn
    const args = yield* (yield* Stdio.Stdio).args
    yield* Command.runWith(floe, { version })(args.map(notAFlag))
  })
