/**
 * Files that left the table and stay on disk for a grace period, because other engines may still read them. Notes beside
 * the table record since when each file waits, in the machine's uptime, which no clock change affects; a reboot restarts
 * the wait. A lost note loses no data: Floe finds the file again as an orphan.
 */
import { readFileSync } from "node:fs"
import { appendFile } from "node:fs/promises"
import { join, relative } from "node:path"
import { Clock, Effect, Option, Schema } from "effect"
import * as Files from "../../runtime/files.ts"

const Note = Schema.Struct({
  /** The boot that `since` counts from; null if the system does not report it. */
  boot: Schema.NullOr(Schema.String),
  since: Schema.Finite,
  /** Milliseconds since 1970. */
  at: Schema.Finite,
  /** The first metadata version that does not name them. */
  version: Schema.Int,
  /** The snapshot with which they left; null if unknown. */
  snapshot: Schema.NullOr(Schema.String),
  /** Relative to the table's folder. */
  files: Schema.Array(Schema.String)
})
type Note = typeof Note.Type
const decodeNote = Schema.decodeUnknownOption(Schema.fromJsonString(Note))

/** A notes file is removed only when all its notes are done, so it is kept small. */
const notesPerFile = 500
const nameOf = (n: number) => `floe-left-${n}.ndjson`
const numberOf = (name: string) => Number(/^floe-left-(\d+)\.ndjson$/.exec(name)?.[1] ?? Number.NaN)

const thisBoot = () => {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  } catch {
    return undefined
  }
}

interface Waiting extends Omit<Note, "files"> {
  readonly file: number
  readonly files: Array<string>
}

export interface LeftFilesOptions {
  readonly tableFolder: string
  /** In milliseconds. */
  readonly grace: number
  /** The boot id; the machine's own by default. */
  readonly boot?: string | undefined
}

const readNotes = Effect.fnUntraced(function* (folder: string) {
  const names = (yield* Files.list(folder)).filter((name) => numberOf(name) >= 0)
  names.sort((a, b) => numberOf(a) - numberOf(b))
  const texts = yield* Effect.forEach(names, (name) =>
    Files.read(join(folder, name)).pipe(
      Effect.map(String),
      Effect.catchIf(Files.isMissing, () => Effect.succeed(""))
    )
  )
  // A crash may have truncated the last line.
  return { names, notes: texts.flatMap((text) => text.split("\n")).flatMap((line) => Option.toArray(decodeNote(line))) }
})

const nowOf = (boot: string | undefined) =>
  Effect.map(Effect.all([Clock.currentTimeMillis, Clock.monotonicTimeNanos]), ([at, nanos]) => ({
    boot: boot ?? null,
    since: Number(nanos / 1_000_000n),
    at
  }))

type Now = Effect.Success<ReturnType<typeof nowOf>>

/** After a reboot only the clock could tell how long ago a note was written, and a clock may be wrong. */
const isOfThisBoot = (note: Note, now: Now) => now.boot !== null && note.boot === now.boot && note.since <= now.since

/** Absolute paths of files whose grace period is not over. */
export const stillWaiting = Effect.fn("LeftFiles.stillWaiting")(function* (tableFolder: string, grace: number) {
  const now = yield* nowOf(thisBoot())
  const { notes } = yield* readNotes(join(tableFolder, "metadata"))
  const early = notes.filter((note) => !isOfThisBoot(note, now) || now.since - note.since < grace)
  return new Set(early.flatMap(({ files }) => files.map((file) => join(tableFolder, file))))
})

export const make = Effect.fn("LeftFiles.make")(function* ({
  tableFolder,
  grace,
  boot = thisBoot()
}: LeftFilesOptions) {
  const folder = join(tableFolder, "metadata")
  const waiting: Array<Waiting> = []
  const perFile = new Map<number, number>()
  let newest = 0

  const now = nowOf(boot)

  const append = (notes: ReadonlyArray<Note>) => {
    if ((perFile.get(newest) ?? notesPerFile) >= notesPerFile) newest++
    perFile.set(newest, (perFile.get(newest) ?? 0) + notes.length)
    for (const note of notes) waiting.push({ ...note, files: [...note.files], file: newest })
    const lines = notes.map((note) => `${JSON.stringify(note)}\n`).join("")
    return Files.attempt("recording files that left the table", () => appendFile(join(folder, nameOf(newest)), lines))
  }

  const forget = Effect.fnUntraced(function* (file: number) {
    const left = (perFile.get(file) ?? 1) - 1
    if (left > 0) return perFile.set(file, left)
    perFile.delete(file)
    return yield* Files.remove(join(folder, nameOf(file)))
  })

  const started = yield* now
  const { names, notes } = yield* readNotes(folder)
  newest = Math.max(0, ...names.map(numberOf))
  if (notes.length > 0)
    yield* append(notes.map((note) => (isOfThisBoot(note, started) ? note : { ...note, ...started })))
  yield* Effect.forEach(names, (name) => Files.remove(join(folder, name)), { discard: true })

  return {
    /** `paths` are absolute; no snapshot names them from this version on. */
    add: Effect.fnUntraced(function* (paths: ReadonlyArray<string>, version: number, snapshot: bigint | undefined) {
      if (paths.length === 0) return
      const files = paths.map((path) => relative(tableFolder, path))
      const note = { ...(yield* now), version, snapshot: snapshot === undefined ? null : String(snapshot), files }
      yield* append([note])
    }),
    /** Absolute paths of all waiting files. */
    paths: () => waiting.flatMap(({ files }) => files.map((file) => join(tableFolder, file))),
    /** Whether the grace period of any file is over. */
    isDue: Effect.map(now, ({ since }) => waiting[0] !== undefined && since - waiting[0].since >= grace),
    /**
     * Forgets the files that left with a snapshot that is in the table again, and those that left after it, which may
     * belong to it too. True if there were any.
     */
    forgetFrom: Effect.fnUntraced(function* (kept: ReadonlySet<string>) {
      const first = waiting.findIndex(({ snapshot }) => snapshot !== null && kept.has(snapshot))
      if (first < 0) return false
      for (const note of waiting.splice(first)) {
        if (note.snapshot === null) waiting.push(note)
        else yield* forget(note.file)
      }
      return true
    }),
    /** Whether any waiting file left with this snapshot. */
    has: (snapshot: string) => waiting.some((note) => note.snapshot === snapshot),
    /**
     * Removes about `most` files whose grace period is over, with Hadoop's checksum files beside them, and returns their
     * paths. `oldest` is the oldest metadata version on disk. A snapshot in `held` stops the removal: files that left
     * with a later snapshot may belong to it.
     */
    remove: Effect.fnUntraced(function* (most: number, oldest: number, held: ReadonlySet<string>) {
      const { since } = yield* now
      const removed: Array<string> = []
      let stopped = false
      for (const note of [...waiting]) {
        if (removed.length >= most) break
        if (note.snapshot !== null) stopped ||= note.version > oldest || held.has(note.snapshot)
        if (since - note.since < grace || (stopped && note.snapshot !== null)) continue
        const some = note.files.splice(0, most - removed.length).map((file) => join(tableFolder, file))
        const gone = yield* Effect.forEach(some, Files.removeWithChecksum, { concurrency: 8 })
        removed.push(...some.filter((_, i) => gone[i]))
        if (note.files.length > 0) break
        waiting.splice(waiting.indexOf(note), 1)
        yield* forget(note.file)
      }
      return removed
    })
  }
})
export type LeftFiles = Effect.Success<ReturnType<typeof make>>
