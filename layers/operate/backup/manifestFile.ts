/** `backup.json`, which lists what is in a backup. It is written last: a folder without it is not a backup. */
import { hash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { BackupManifest } from "../../../services/Backup.ts"
import { codeOf } from "../../runtime/files.ts"
import { attempt, CopyFailed } from "./copyFiles.ts"

const name = "backup.json"

const File = Schema.fromJsonString(Schema.Struct({ sha256: Schema.String, backup: Schema.Unknown }))
const decodeFile = Schema.decodeUnknownOption(File)
const decode = Schema.decodeUnknownOption(BackupManifest)

const digestOf = (backup: unknown) => hash("sha256", JSON.stringify(backup), "hex")

export const write = (folder: string, manifest: BackupManifest) => {
  const path = join(folder, name)
  return attempt(path, () =>
    writeFile(path, `${JSON.stringify({ sha256: digestOf(manifest), backup: manifest }, null, 2)}\n`, { flush: true })
  )
}

export const read = Effect.fnUntraced(function* (folder: string) {
  const path = join(folder, name)
  const unusable = (reason: string) => new CopyFailed({ path, reason, cause: undefined })
  const text = yield* attempt(path, () => readFile(path, "utf8")).pipe(
    Effect.mapError((error) =>
      codeOf(error.cause) === "ENOENT" || codeOf(error.cause) === "ENOTDIR"
        ? unusable("it is missing, so this is not a backup, or an interrupted one; give a folder that floe backup made")
        : error
    )
  )
  const file = Option.getOrUndefined(decodeFile(text))
  if (file === undefined || file.sha256 !== digestOf(file.backup)) {
    return yield* unusable("it was changed or damaged after the backup was made; use another backup")
  }
  const manifest = decode(file.backup)
  if (Option.isNone(manifest))
    return yield* unusable("it was made by a newer version of Floe; restore it with that version")
  return manifest.value
})
