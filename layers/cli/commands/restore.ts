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
      Flag.withDescription("Data folder to create, instead of FLOE_DATA"),
      Flag.withMetavar("folder"),
      Flag.optional
    ),
    json
  },
  Effect.fn("floe restore")(function* ({ folder, into, json }) {
    const { restore } = yield* Backup
    const { audit, manifest, ...restored } = yield* showing((progress) =>
      restore(folder, Option.getOrUndefined(into), progress)
    )
    if (json) yield* printJson({ ...restored, backup: { ...manifest, files: manifest.files.length }, audit })
    else {
      const lines = [
        `Restored into ${restored.folder}: ${contents(manifest)}, as of ${manifest.createdAt}.`,
        audit === null
          ? "Every event in the log was read and is intact; the sink rebuilds the table from it."
          : audited(audit),
        `Events acknowledged after the backup are not included. The next event gets offset ${counted(manifest.log.end)}, and the log has a new id: ${restored.logId}.`
      ]
      yield* print(Stream.make(`${lines.join("\n")}\n`))
    }
    if (audit !== null && audit.missing + audit.extra > 0) {
      return yield* new CopyDiffers({ missing: audit.missing, extra: audit.extra })
    }
  })
).pipe(
  Command.withDescription(
    "Restore a backup into an empty data folder that no Floe program uses. Floe first verifies all checksums, then copies the files; an interrupted restore is never mistaken for a log. The log gets a new id because positions after the end of the backup will be assigned again. Finally, Floe compares the log with the table."
  ),
  Command.withShortDescription("Restore a backup into an empty data folder"),
  Command.withExamples([
    { command: "floe restore /backups/floe-2026-01-08", description: "Restore into FLOE_DATA" },
    {
      command: "floe restore /backups/floe-2026-01-08 --into ./trial",
      description: "Restore into another folder, to inspect it"
    }
  ]),
  Command.provide(Profile.layer("backup")),
  Command.provide(warnings)
)
