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
      Argument.withDescription("Destination: a folder that does not exist yet, or an empty one")
    ),
    logOnly: Flag.Boolean("log-only").pipe(
      Flag.withDescription("Leave the table out; the sink rebuilds it from the log"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    verify: Flag.Boolean("verify").pipe(
      Flag.withDescription("Read the whole copy back and compare its log with its table; --no-verify skips this"),
      Flag.withDefault(true)
    ),
    json
  },
  Effect.fn("floe backup")(function* ({ folder, json, logOnly, verify }) {
    const { create } = yield* Backup
    const backup = yield* showing((onProgress) => create(folder, { logOnly, verify, onProgress }))
    if (json) {
      const { files, ...rest } = backup.manifest
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
      return yield* printJson({ folder: backup.folder, ...rest, files: files.length, bytes, audit: backup.audit })
    }
    const verification =
      backup.audit !== null
        ? audited(backup.audit)
        : verify
          ? "Every event in the copied log was read and is intact."
          : "The copy was not verified."
    yield* print(Stream.make(`Backed up to ${backup.folder}: ${contents(backup.manifest)}.\n${verification}\n`))
  })
).pipe(
  Command.withDescription(
    "Copy the log with its idempotency keys, and the table with its retained snapshots, into a new folder. The copies are consistent with each other, and nothing has to stop. Floe verifies the copy by comparing its log with its table. An interrupted backup never appears under the folder's name. Embedded profile only; tables that floe rebuild made beside default.weather are not included."
  ),
  Command.withShortDescription("Copy the log and the table while everything runs"),
  Command.withExamples([
    { command: "floe backup /backups/floe-2026-01-08", description: "Copy everything and verify the copy" },
    {
      command: "floe backup /backups/log-2026-01-08 --log-only",
      description: "Copy the log alone; the table can be rebuilt from it"
    }
  ]),
  Command.provide(Profile.layer("backup")),
  Command.provide(warnings)
)
