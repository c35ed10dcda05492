import { Effect, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Backup } from "../../../services/Backup.ts"
import * as Profile from "../../profile/Profile.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { audited, contents, showing } from "../terminal/renderBackup.ts"
import { warnings } from "../terminal/Warnings.ts"

export const backup = Command.make(
  "backup",
  {
    folder: Argument.String("folder").pipe(
      Argument.withDescription("Where the backup goes: a folder that does not exist yet, or an empty one")
    ),
    logOnly: Flag.Boolean("log-only").pipe(
      Flag.withDescription("Without the table, which the sink makes again from the log"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    verify: Flag.Boolean("verify").pipe(
      Flag.withDescription("Read the whole copy again and compare its log with its table; --no-verify skips it"),
      Flag.withDefault(true)
    ),
    json
  },
  Effect.fn("floe backup")(function* ({ folder, json, logOnly, verify }) {
    const service = yield* Backup
    const done = yield* showing((progress) => service.create(folder, { logOnly, verify, progress }))
    if (json) {
      const { files, ...rest } = done.manifest
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      return yield* printJson({ folder: done.folder, ...rest, files: files.length, bytes, audit: done.audit })
    }
    const proof =
      done.audit !== null
        ? audited(done.audit)
        : verify
          ? "Every event of the copied log was read and is whole."
          : "The copy was not verified."
    yield* print(Stream.make(`Backed up to ${done.folder}: ${contents(done.manifest)}.\n${proof}\n`))
  })
).pipe(
  Command.withDescription(
    "Copy the log with its idempotency keys, and the table with its kept snapshots, into a new folder, consistent with each other, while everything runs. The copy is proved by comparing its log with its table. A backup that was interrupted is not at the folder's name. For the embedded profile; tables that floe rebuild made beside the first are left out."
  ),
  Command.withShortDescription("Copy log and table while everything runs"),
  Command.withExamples([
    { command: "floe backup /backups/floe-2026-01-08", description: "A whole copy, compared with itself" },
    {
      command: "floe backup /backups/log-2026-01-08 --log-only",
      description: "The log alone, which the table can be made from"
    }
  ]),
  Command.provide(Profile.layer("backup")),
  Command.provide(warnings)
)
