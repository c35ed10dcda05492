/** Makes a backup under a temporary name beside the target, and renames it once it is complete, durable and verified. */
import { existsSync, realpathSync } from "node:fs"
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises"
import { basename, dirname, join, relative, resolve } from "node:path"
import { DateTime, Effect, Layer, Option } from "effect"
import packageJson from "../../../package.json" with { type: "json" }
import {
  BackupFailed,
  type BackupFile,
  type BackupManifest,
  type BackupOptions,
  type CreatedBackup
} from "../../../services/Backup.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { weather } from "../../../services/TableReader.ts"
import { copyLog, tidy } from "../../log/sqlite/copyLog.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import { processorFolder } from "../../log/sqlite/processorFolder.ts"
import { readState } from "../../process/rebuilt.ts"
import { make, placesIn } from "../../runtime/DataFolder.ts"
import { codeOf } from "../../runtime/files.ts"
import { acquire, isHeld } from "../../runtime/ProcessLock.ts"
import { plural } from "../../runtime/plural.ts"
import { SinkControl } from "../../sink/SinkControl.ts"
import { heldFiles } from "../../table/iceberg/heldFiles.ts"
import { appliedIn } from "./appliedIn.ts"
import { auditCopy } from "./auditCopy.ts"
import { attempt, CopyFailed, copyFiles, describeFile, requireRoom, sizes, syncFolders } from "./copyFiles.ts"
import * as ManifestFile from "./manifestFile.ts"
import { pausedProcessors, processorFolders } from "./processorFiles.ts"

const lockName = "backup.lock"

const failure = (path: string, reason: string) => new CopyFailed({ path, reason, cause: undefined })

const requireFreeTarget = Effect.fnUntraced(function* (target: string, root: string) {
  const parent = dirname(target)
  const real = existsSync(parent) ? join(realpathSync(parent), basename(target)) : target
  if (`${real}/`.startsWith(`${root}/`)) {
    return yield* failure(target, "it is inside the data folder, and would be lost with it; choose another place")
  }
  if (!existsSync(target)) return
  const stats = yield* attempt(target, () => stat(target))
  if (!stats.isDirectory()) return yield* failure(target, "it is a file; choose another name")
  if ((yield* attempt(target, () => readdir(target))).length > 0) {
    return yield* failure(target, "it is not empty; choose a folder that does not exist yet")
  }
  if (stats.dev !== (yield* attempt(parent, () => stat(parent))).dev) {
    return yield* failure(target, "a disk is mounted there; choose a folder in it that does not exist yet")
  }
})

/** Creates a folder that only this process uses and that is removed on failure. What a killed backup left there is removed first. */
const claim = Effect.fnUntraced(function* (target: string, partial: string) {
  const lock = join(partial, lockName)
  if (existsSync(partial)) {
    const names = yield* attempt(partial, () => readdir(partial))
    if (names.length > 0 && !names.includes(lockName)) {
      return yield* failure(partial, "it already exists, and no backup made it; move it away")
    }
    if (yield* isHeld(lock)) return yield* failure(partial, "another floe backup is writing there; wait until it ends")
    yield* attempt(partial, () => rm(partial, { recursive: true, force: true }))
  }
  yield* attempt(partial, async () => make(partial)).pipe(
    Effect.mapError((error) =>
      codeOf(error.cause) === "ENOENT" ? failure(dirname(target), "no folder can be created there") : error
    )
  )
  yield* acquire(lock, "floe backup")
  yield* Effect.addFinalizer(() => Effect.promise(() => rm(partial, { recursive: true, force: true }).catch(() => {})))
})

const pausedIn = Effect.gen(function* () {
  if (!existsSync((yield* DataFolder).controlDatabase)) return { paused: false }
  const all = Effect.flatMap(SinkControl, ({ paused, pausedStreams }) => Effect.all([paused, pausedStreams]))
  const [paused, pausedStreams] = yield* all.pipe(Effect.provide(Layer.fresh(SinkControl.layer)))
  return { paused, ...(pausedStreams.length === 0 ? {} : { pausedStreams }) }
})

const share = (part: number, whole: number) => `${whole === 0 ? 100 : Math.floor((part / whole) * 100)} %`

/** The path of a stream's table in the data folder, and so in a backup. */
const pathOf = (folder: DataFolder["Service"], stream: string) => relative(folder.root, folder.tableAt(stream))

const copyTable = Effect.fnUntraced(
  function* (stream: string, partial: string, onProgress: BackupOptions["onProgress"]) {
    const folder = yield* DataFolder
    const tableFolder = folder.tableAt(stream)
    const tablePath = pathOf(folder, stream)
    const held = yield* heldFiles(tableFolder)
    if (Option.isNone(held)) return undefined
    const { files, leftOut, metadata, offset, snapshotId, version } = held.value
    if (leftOut > 0) {
      yield* Effect.logWarning(
        `${plural(leftOut, "file")} that only older snapshots need ${leftOut === 1 ? "is" : "are"} missing, so the backup lacks ${leftOut === 1 ? "it" : "them"}; floe doctor names the snapshots.`
      )
    }
    const total = yield* sizes(tableFolder, files)
    yield* requireRoom(partial, total)
    const to = join(partial, tablePath)
    let copied = 0
    const all = yield* copyFiles(tableFolder, to, files, ({ bytes }) => {
      copied += bytes
      onProgress(`copying the table${stream === weather ? "" : ` of ${stream}`}, ${share(copied, total)}`)
    })
    const write = (path: string, content: Buffer | string) =>
      Effect.andThen(
        attempt(join(to, path), () => writeFile(join(to, path), content, { flush: true })),
        describeFile(to, path)
      )
    const own = [
      yield* write(metadata.path, metadata.bytes),
      yield* write(join("metadata", "version-hint.text"), String(version))
    ]
    return {
      files: [...all, ...own].map((file) => ({ ...file, path: join(tablePath, file.path) })),
      at: { snapshotId, offset }
    }
  },
  // Ends the leases: the copy no longer needs the originals.
  Effect.scoped
)

/** Their files, and the ends of the streams in them. */
const copyProcessors = Effect.fnUntraced(function* (
  folder: DataFolder["Service"],
  copy: DataFolder["Service"],
  applied: ReadonlyArray<AppliedStream>
) {
  const found = yield* attempt(folder.processors, async () => processorFolders(folder, applied))
  if (found.length > 0) yield* attempt(copy.processors, () => mkdir(copy.processors))
  const copies = yield* Effect.forEach(found, ({ name, place }) => {
    const to = processorFolder(copy, name)
    return Effect.map(
      copyLog(place, to, () => {}),
      ({ ends }) => ({ to, ends: [...ends].filter(([stream]) => stream !== weather) })
    )
  })
  return {
    paths: copies.flatMap(({ to }) => [to.log, to.logHighWaterMark]),
    folders: copies.map(({ to }) => to),
    ends: copies.flatMap(({ ends }) => ends)
  }
})

const create = Effect.fnUntraced(function* (target: string, { logOnly, onProgress, verify }: BackupOptions) {
  const folder = yield* DataFolder
  yield* requireFreeTarget(target, folder.root)
  const partial = `${target}.partial`
  if (!(yield* attempt(folder.log, async () => LogFile.isThere(folder)))) {
    return yield* failure(folder.log, "there is no log yet, so there is nothing to back up")
  }
  const rebuild = yield* attempt(folder.processors, async () => readState(folder))
  if (rebuild !== undefined) {
    const [name] = rebuild.names
    // Between the two, tables have rows that the logs do not explain.
    return yield* failure(
      folder.processors,
      `a rebuild of the processor ${name} is being put in place; run floe processor rebuild ${name} if it was interrupted`
    )
  }
  yield* claim(target, partial)
  const createdAt = DateTime.formatIso(yield* DateTime.now)
  const copy = placesIn(partial)

  // The table first, so that the log's copy is at the table's position or beyond.
  const applied = yield* appliedIn(folder)
  const names = logOnly ? [] : applied.map(({ definition }) => definition.name)
  const copies = yield* Effect.forEach(names, (name) =>
    Effect.map(copyTable(name, partial, onProgress), (copied) => [name, copied] as const)
  )
  const tables = new Map(copies)
  yield* requireRoom(partial, (yield* attempt(folder.log, () => stat(folder.log))).size)
  const ofProcessors = yield* copyProcessors(folder, copy, applied)
  const { ends, logId } = yield* copyLog(folder, copy, (part) => onProgress(`copying the log, ${share(part, 1)}`)).pipe(
    // The log is only read, so the full disk is that of the copy.
    Effect.mapError((error) =>
      error._tag === "LogUnavailable" && error.reason._tag === "DiskFull"
        ? failure(partial, "its disk is full; free some space, or choose another disk")
        : error
    )
  )
  const audit = verify
    ? yield* auditCopy(copy, applied, (events, of) => onProgress(`verifying the copy, ${share(events, of)}`))
    : null
  for (const one of [copy, ...ofProcessors.folders]) tidy(one)
  if (audit !== null && audit.missing + audit.extra > 0) {
    return yield* failure(
      partial,
      `in the copy, ${audit.missing} rows are missing from the table and ${audit.extra} are extra; run floe audit to check the original too. --log-only backs up the log without this table, --no-verify backs up both as they are`
    )
  }
  onProgress("finishing the copy")
  const ofLog: ReadonlyArray<BackupFile> = yield* Effect.forEach(
    [copy.log, copy.logHighWaterMark, ...ofProcessors.paths],
    (path) => describeFile(partial, relative(partial, path))
  )
  const paused = pausedProcessors(folder, applied)
  const manifest: BackupManifest = {
    format: 1,
    version: packageJson.version,
    createdAt,
    log: { id: logId, end: ends.get(weather) ?? 0 },
    table: tables.get(weather)?.at ?? null,
    ...(ends.size + ofProcessors.ends.length === 1
      ? {}
      : {
          streams: Object.fromEntries(
            [...ends, ...ofProcessors.ends].flatMap(([name, end]) =>
              name === weather ? [] : [[name, { end, table: tables.get(name)?.at ?? null }]]
            )
          )
        }),
    ...(yield* pausedIn),
    ...(paused.length === 0 ? {} : { pausedProcessors: paused }),
    files: [...ofLog, ...copies.flatMap(([, copied]) => copied?.files ?? [])]
  }
  yield* syncFolders(
    partial,
    manifest.files.map(({ path }) => dirname(path))
  )
  yield* ManifestFile.write(partial, manifest)
  yield* Effect.uninterruptible(
    Effect.gen(function* () {
      yield* syncFolders(partial, [])
      yield* attempt(target, () => rename(partial, target))
      for (const name of [lockName, `${lockName}-journal`]) {
        yield* Effect.ignore(attempt(target, () => rm(join(target, name), { force: true })))
      }
      yield* syncFolders(dirname(target), [])
    })
  )
  return { folder: target, manifest, audit } satisfies CreatedBackup
}, Effect.scoped)

export const createBackup = Effect.fn("Backup.create")(function* (target: string, options: BackupOptions) {
  return yield* create(resolve(target), options).pipe(
    Effect.mapError((cause) => new BackupFailed({ reason: cause.message.replace(/\.$/, ""), cause }))
  )
})
