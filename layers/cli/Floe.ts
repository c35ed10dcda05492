import { Effect, Stdio } from "effect"
import { Command } from "effect/cli"
import * as UnknownSettings from "../runtime/unknownSettings.ts"
import { audit } from "./Audit.ts"
import { backup } from "./Backup.ts"
import { completions } from "./Completions.ts"
import { config } from "./Config.ts"
import { connector } from "./Connector.ts"
import { dlq } from "./DeadLetters.ts"
import { doctor } from "./Doctor.ts"
import { maintain } from "./Maintain.ts"
import { query } from "./Query.ts"
import { replay } from "./Replay.ts"
import { restore } from "./Restore.ts"
import { send } from "./Send.ts"
import { status } from "./Status.ts"
import { storage } from "./Storage.ts"
import { table } from "./Table.ts"
import { tail } from "./Tail.ts"
import { topics } from "./Topics.ts"

export const floe = Command.make("floe").pipe(
  Command.withDescription(
    "Weather events over HTTP, kept in a durable log, landed exactly once in an Apache Iceberg table."
  ),
  Command.withSubcommands([
    status,
    doctor,
    query,
    table,
    audit,
    maintain,
    replay,
    backup,
    restore,
    tail,
    send,
    topics,
    connector,
    dlq,
    storage,
    config,
    completions((): Command.Command.Any => floe)
  ])
)

/** A statement may begin with a comment, which would else be taken for an option: no option's name has a space in it. */
const notAnOption = (argument: string) => (/^--[^\s=]*\s/.test(argument) ? ` ${argument}` : argument)

/** Runs the command that the process's arguments name. */
export const run = (version: string) =>
  Effect.gen(function* () {
    yield* UnknownSettings.warn
    const args = yield* (yield* Stdio.Stdio).args
    yield* Command.runWith(floe, { version })(args.map(notAnOption))
  })
