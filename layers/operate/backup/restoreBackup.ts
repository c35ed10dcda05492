/** Restores a backup into an empty data folder. Until its last step no program starts there. */
import { existsSync, rmSync } from "node:fs"
import { mkdir, readdir, rename, rm } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto/SecureRandom"
import {
  type BackupFile,
  type BackupManifest,
  type RestoredBackup,
  RestoreFailed,
  RestoreUnverified
} from "../../../services/Backup.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { weather } from "../../../services/TableReader.ts"
import { markEnds, tidy } from "../../log/sqlite/copyLog.ts"
import * as HighWaterMark from "../../log/sqlite/HighWaterMark.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import { placesIn } from "../../runtime/DataFolder.ts"
import { acquire } from "../../runtime/ProcessLock.ts"
import { SinkControl } from "../../sink/SinkControl.ts"
import { appliedIn } from "./appliedIn.ts"
import { auditCopy } from "./auditCopy.ts"
import { attempt, CopyFailed, copyFiles, describeFile, parallel, requireRoom, syncFolders } from "./copyFiles.ts"
import * as ManifestFile from "./manifestFile.ts"
import { pauseProcessors, processorFolders } from "./processorFiles.ts"

type Folder = DataFolder["Service"]
type Progress = (step: string) => void

const stagingName = "restore.partial"

const failure = (path: string, reason: string) => new CopyFailed({ path, reason, cause: undefined })

const share = (part: number, whole: number) => `${whole === 0 ? 100 : Math.floor((part / whole) * 100)} %`

const verify = Effect.fnUntraced(function* (source: string, manifest: BackupManifest, onProgress: Progress) {
  const total = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0)
  let read = 0
  const check = Effect.fnUntraced(function* (file: BackupFile) {
    const actual = yield* describeFile(source, file.path)
    if (actual.bytes !== file.bytes || actual.sha256 !== file.sha256) {
      return yield* failure(
        join(source, file.path),
        "it was changed or damaged after the backup was made; use another backup"
      )
    }
    read += file.bytes
    onProgress(`checking the backup, ${share(read, total)}`)
  })
  yield* Effect.forEach(manifest.files, check, { ...parallel, discard: true })
  return total
})

/** Held until the scope closes, so that nothing starts here meanwhile. */
const lock = Effect.gen(function* () {
  const folder = yield* DataFolder
  yield* acquire(folder.serverLock, "logging server")
  yield* acquire(folder.sinkLock, "sink")
  yield* acquire(folder.rebuildLock, "rebuild")
})

/** Removes what a killed restore left. The log comes last, so a folder that has it holds more than that. */
const requireEmpty = Effect.gen(function* () {
  const folder = yield* DataFolder
  const staging = join(folder.root, stagingName)
  const locks = [folder.serverLock, folder.sinkLock, folder.processorLock, folder.rebuildLock].flatMap((path) => [
    basename(path),
    `${basename(path)}-journal`
  ])
  const interrupted = existsSync(staging) && !existsSync(folder.log)
  const own = interrupted ? placed(folder).map((path) => basename(path)) : []
  const names = yield* attempt(folder.root, () => readdir(folder.root))
  const other = names.filter((name) => ![...locks, ...own, stagingName].includes(name))
  if (other.length > 0 || (existsSync(staging) && !interrupted)) {
    return yield* failure(
      folder.root,
      `it is not empty (it holds ${other.slice(0, 3).join(", ") || stagingName}); stop the programs that use it and move it away, or give another folder with --into`
    )
  }
  if (interrupted) yield* clear(folder)
})

/** In the order in which they are put in place: no program starts on a folder that has a high-water mark and no log. */
const placed = (folder: Folder) => [
  folder.logHighWaterMark,
  folder.controlDatabase,
  folder.warehouse,
  folder.processors,
  folder.log
]

const clear = (folder: Folder) =>
  attempt(folder.root, async () => {
    for (const path of placed(folder).toReversed()) await rm(path, { recursive: true, force: true })
    await rm(join(folder.root, stagingName), { recursive: true, force: true })
  })

const pause = (folder: Folder, streams: ReadonlyArray<string>) =>
  Effect.flatMap(SinkControl, ({ setPaused }) =>
    Effect.forEach(streams, (stream) => setPaused(true, stream), { discard: true })
  ).pipe(Effect.provide(Layer.fresh(SinkControl.layer).pipe(Layer.provide(Layer.succeed(DataFolder, folder)))))

const restore = Effect.fnUntraced(function* (source: string, onProgress: Progress) {
  const folder = yield* DataFolder
  const manifest = yield* ManifestFile.read(source)
  const total = yield* verify(source, manifest, onProgress)
  yield* lock
  yield* requireEmpty
  yield* requireRoom(folder.root, total)
  const staged = placesIn(join(folder.root, stagingName))

  const copied = Effect.gen(function* () {
    yield* attempt(staged.root, () => mkdir(staged.root))
    const attemptLog = <A>(path: string, run: () => A) => attempt(path, async () => run())
    yield* attemptLog(folder.logHighWaterMark, () => {
      const mark = HighWaterMark.open(folder.logHighWaterMark, manifest.log.id)
      mark.write(manifest.log.end)
      mark.close()
      LogFile.sync(folder.logHighWaterMark)
    })
    let written = 0
    const files = yield* copyFiles(
      source,
      staged.root,
      manifest.files.map(({ path }) => path),
      ({ bytes }) => {
        written += bytes
        onProgress(`copying, ${share(written, total)}`)
      }
    )
    for (const [i, { path, sha256 }] of files.entries()) {
      if (manifest.files[i]?.sha256 !== sha256) {
        return yield* failure(join(staged.root, path), "the copy differs from the backup; check the disk")
      }
    }
    const renewedId = yield* (yield* SecureRandom).uuidV4()
    const applied = yield* appliedIn(staged)
    const renew = (place: Folder) => {
      const renewed = LogFile.renew(place, renewedId)
      rmSync(place.logHighWaterMark)
      markEnds(place, renewed.logId, renewed.ends)
      return renewed
    }
    const { ends, logId } = yield* attemptLog(staged.log, () => {
      const derived = processorFolders(staged, applied).map(({ place }) => renew(place).ends)
      const { ends, logId } = renew(staged)
      return { logId, ends: new Map([...derived.flatMap((ends) => [...ends]), ...ends]) }
    })
    const expected = [
      [weather, manifest.log.end] as const,
      ...Object.entries(manifest.streams ?? {}).map(([name, { end }]) => [name, end] as const)
    ]
    if (expected.some(([name, end]) => ends.get(name) !== end))
      return yield* failure(staged.log, "it does not end where the backup's manifest does")
    const paused = [...(manifest.paused ? [weather] : []), ...(manifest.pausedStreams ?? [])]
    if (paused.length > 0) yield* pause(staged, paused)
    const { pausedProcessors = [] } = manifest
    if (pausedProcessors.length > 0) {
      yield* attempt(staged.processors, async () => pauseProcessors(staged, pausedProcessors))
      yield* syncFolders(staged.processors, [])
    }
    tidy(staged)
    yield* syncFolders(
      staged.root,
      manifest.files.map(({ path }) => dirname(path))
    )
    for (const path of placed(folder)) {
      const from = join(staged.root, basename(path))
      if (existsSync(from)) yield* attempt(path, () => rename(from, path))
      yield* syncFolders(folder.root, [])
    }
    yield* Effect.ignore(attempt(staged.root, () => rm(staged.root, { recursive: true, force: true })))
    return logId
  })
  const logId = yield* copied.pipe(Effect.onError(() => Effect.ignore(clear(folder))))
  const applied = yield* appliedIn(folder).pipe(
    Effect.mapError((cause) => new RestoreUnverified({ folder: folder.root, reason: cause.message, cause }))
  )
  const audit = yield* auditCopy(folder, applied, (events, of) =>
    onProgress(`the backup is in place; comparing log and table, ${share(events, of)}`)
  ).pipe(Effect.mapError((cause) => new RestoreUnverified({ folder: folder.root, reason: cause.message, cause })))
  tidy(folder)
  return { folder: folder.root, manifest, logId, audit } satisfies RestoredBackup
}, Effect.scoped)

export const restoreBackup = Effect.fn("Backup.restore")(function* (source: string, onProgress: Progress) {
  return yield* restore(resolve(source), onProgress).pipe(
    Effect.mapError((cause) =>
      cause._tag === "RestoreUnverified"
        ? cause
        : new RestoreFailed({ reason: cause.message.replace(/\.$/, ""), cause })
    )
  )
})
