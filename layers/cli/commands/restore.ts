import { Effect, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Backup } from "../../../services/Backup.ts"
import * as Profile from "../../profile/Profile.ts"
import { print } from "../terminal/Output.ts"
import { counted } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { audited, CopyDiffers, contents, showing } from "../terminal/renderBackup.ts"
import { warnings } from "../terminal/Warnings.ts"

export const restore = Command.make(
  "restore",
  {
    folder: Argument.String("folder").pipe(Argument.withDescription("A folder that floe backup made")),
    into: Flag.String("into").pipe(
      Flag.withDescription("The data folder to make, instead of the one that FLOE_DATA names"),
      Flag.withMetavar("folder"),
      Flag.optional
    ),
    json
  },
  Effect.fn("floe restore")(function* ({ folder, into, json }) {
    const service = yield* Backup
    const { audit, manifest, ...done } = yield* showing((progress) =>
      service.restore(folder, Option.getOrUndefined(into), progress)
    )
    if (json) yield* printJson({ ...done, backup: { ...manifest, files: manifest.files.length }, audit })
    else {
      const lines = [
        `Restored into ${done.folder}: ${contents(manifest)}, as of ${manifest.createdAt}.`,
        audit === null
          ? "Every event of the log was read and is whole; the sink makes the table from it."
          : audited(audit),
        `Events that were acknowledged after the backup are not in it. The next event gets offset ${counted(manifest.log.end)}, in a log with a new id: ${done.logId}.`
      ]
      yield* print(Stream.make(`${lines.join("\n")}\n`))
    }
    if (audit !== null && audit.missing + audit.extra > 0) {
      return yield* new CopyDiffers({ missing: audit.missing, extra: audit.extra })
    }
  })
).pipe(
  Command.withDescription(
    "Put a backup into an empty data folder, where nothing runs. All its checksums are verified first; then it is copied, and put in place in a way that an interrupted restore is never taken for a log. The log gets a new id, as the positions after the backup's end will be given out again. In the end the log is compared with the table."
  ),
  Command.withShortDescription("Put a backup into an empty data folder"),
  Command.withExamples([
    { command: "floe restore /backups/floe-2026-01-08", description: "Into the folder that FLOE_DATA names" },
    { command: "floe restore /backups/floe-2026-01-08 --into ./trial", description: "Into another one, to look at it" }
  ]),
  Command.provide(Profile.layer("backup")),
  Command.provide(warnings)
)
