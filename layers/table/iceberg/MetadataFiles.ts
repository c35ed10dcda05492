/** The metadata files of a table: finds the newest, skips torn ones, and rejects those that Floe cannot read. */
import { access } from "node:fs/promises"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Effect, Option } from "effect"
import { TableBroken } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import * as Metadata from "./Metadata.ts"
import { located } from "./paths.ts"

export interface CurrentMetadata {
  readonly version: number
  /** The highest version that has a file, torn or not. */
  readonly highest: number
  /** The name of its file; `identity` distinguishes that file from any other that may take its name. */
  readonly name: string
  readonly identity: string | undefined
  /** Torn files of higher versions; `reason` is the end of a sentence. */
  readonly torn: ReadonlyArray<{ readonly file: string; readonly reason: string }>
  readonly metadata: Metadata.TableMetadata
  readonly snapshot: Metadata.Snapshot
}

/** Runs a decoder that throws; the error becomes a TableBroken that names the file. */
export const parse = <A>(file: string, run: () => A) =>
  Effect.try({
    try: run,
    catch: (cause) => {
      const words = (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s*\n\s*/g, " ")
      return cause instanceof Metadata.Unsupported
        ? new TableBroken({ file, reason: words, unsupported: true })
        : new TableBroken({ file, reason: `cannot be read: ${words}` })
    }
  })

/** V8 reports the position of every JSON error except an unexpected end. */
const endsEarly = (cause: unknown, text: string) => {
  if (!(cause instanceof SyntaxError)) return false
  const position = /at position (\d+)/.exec(cause.message)?.[1]
  return cause.message.startsWith("Unexpected end") || Number(position) >= text.length
}

/** Undefined if the file was truncated. A disk may replace lost bytes with zeros. */
const decodeWhole = (name: string, bytes: Buffer) => {
  let text = ""
  try {
    text = (Metadata.isCompressed(name) && bytes.length > 0 ? gunzipSync(bytes) : bytes).toString().replace(/\0+$/, "")
    if (text === "") return undefined
    return Metadata.decode(text)
  } catch (cause) {
    if (Files.codeOf(cause) === "Z_BUF_ERROR" || endsEarly(cause, text)) return undefined
    throw cause
  }
}

const readFile = Effect.fnUntraced(function* (tableFolder: string, name: string) {
  const path = join(tableFolder, "metadata", name)
  const bytes = yield* Files.read(path)
  return yield* parse(path, () => decodeWhole(name, bytes))
})

/** The metadata files, newest first. Of two files of one version it takes the one that Hadoop's readers take. */
export const listFiles = Effect.fnUntraced(function* (tableFolder: string) {
  const versions = new Map<number, string>()
  for (const name of (yield* Files.list(join(tableFolder, "metadata"))).sort()) {
    const version = Metadata.versionOf(name)
    if (version === undefined) continue
    const plain = name === Metadata.fileName(version)
    if (plain || !versions.has(version)) versions.set(version, name)
  }
  return [...versions].map(([version, name]) => ({ version, name })).sort((a, b) => b.version - a.version)
})

const exists = (path: string) =>
  Files.attempt("checking the manifest list", () => access(path)).pipe(
    Effect.as(true),
    Effect.catchIf(Files.isMissing, () => Effect.succeed(false))
  )

const contains = (tableFolder: string, name: string, id: bigint) =>
  readFile(tableFolder, name).pipe(
    Effect.map((metadata) => metadata?.snapshots.some((one) => one["snapshot-id"] === id) ?? false),
    Effect.catchIf(
      (error) => error._tag === "TableUnavailable" && Files.isMissing(error),
      () => Effect.succeed(false)
    )
  )

const readVersion = Effect.fnUntraced(function* (
  tableFolder: string,
  { name }: { readonly name: string },
  others: ReadonlyArray<{ readonly name: string }>
) {
  const file = join(tableFolder, "metadata", name)
  // Read before the file, so that a file that replaces it meanwhile is noticed.
  const identity = yield* Files.identityOf(file)
  const metadata = yield* readFile(tableFolder, name)
  if (metadata === undefined) return "is empty or ends early"
  if (metadata["current-snapshot-id"] === undefined) {
    return yield* new TableBroken({
      file,
      reason:
        "belongs to a table without snapshots that another program created; move the table's folder away, and the sink creates a new one",
      unsupported: true
    })
  }
  const snapshot = Metadata.currentSnapshot(metadata)
  if (snapshot === undefined) {
    return yield* new TableBroken({ file, reason: "names a current snapshot that it does not contain" })
  }
  const list = yield* located(tableFolder, metadata.location, snapshot["manifest-list"])
  if (yield* exists(list)) return { identity, metadata, snapshot }
  for (const other of others) {
    if (yield* contains(tableFolder, other.name, snapshot["snapshot-id"])) {
      return yield* new TableBroken({
        file: list,
        reason: `is missing, although ${other.name} also contains its snapshot`
      })
    }
  }
  return "names a manifest list that does not exist"
})

const newest = Effect.fnUntraced(function* (
  tableFolder: string,
  files: ReadonlyArray<{ readonly version: number; readonly name: string }>
) {
  const torn: Array<{ readonly file: string; readonly reason: string }> = []
  const highest = files[0]?.version ?? 0
  for (const file of files) {
    const others = files.filter((other) => other !== file)
    const read = yield* readVersion(tableFolder, file, others)
    if (typeof read !== "string") {
      const current: CurrentMetadata = { ...file, ...read, highest, torn }
      return Option.some(current)
    }
    torn.push({ file: join(tableFolder, "metadata", file.name), reason: read })
  }
  if (torn[0] === undefined) return Option.none<CurrentMetadata>()
  const { file, reason } = torn[0]
  return yield* new TableBroken({ file, reason: `${reason}, and no other metadata file is intact` })
})

/**
 * The newest metadata that is not torn. A torn file is empty, or its JSON ends early, or its manifest list is missing
 * while no other metadata file contains its snapshot: its commit was never acknowledged, or the disk has lost it, and the
 * version before it is a whole older table. Any other unreadable file is an error: it may hold a commit.
 */
export const readMetadata = Effect.fn("MetadataFiles.readMetadata")(function* (tableFolder: string) {
  for (let tries = 0; ; tries++) {
    const files = yield* listFiles(tableFolder)
    const read = yield* newest(tableFolder, files).pipe(Effect.exit)
    if (read._tag === "Success" && (Option.isNone(read.value) || read.value.value.torn.length === 0)) {
      return read.value
    }
    // A busy writer may have removed files after they were listed.
    const now = yield* listFiles(tableFolder)
    if (tries >= 5 || now[0]?.name === files[0]?.name) return yield* read
  }
})

/**
 * Whether no other program has committed: the file of this version is the one it was, and no file of the next version
 * exists under any name.
 */
export const isStillNewest = Effect.fnUntraced(function* (
  tableFolder: string,
  { highest, identity, name }: Pick<CurrentMetadata, "name" | "highest" | "identity">
) {
  const after = highest + 1
  const next = [Metadata.fileName(after), `v${after}.gz.metadata.json`, `v${after}.metadata.json.gz`]
  const [own, ...later] = yield* Effect.forEach(
    [name, ...next],
    (one) => Files.identityOf(join(tableFolder, "metadata", one)),
    { concurrency: 4 }
  )
  return (later.every((one) => one === undefined) ? own : undefined) === identity
})

export interface NamedList {
  /** Absolute. */
  readonly list: string
  readonly snapshot: Metadata.Snapshot
  /** The table's folder as this metadata records it. */
  readonly location: string
}

/** The manifest lists that any metadata file on disk names. Fails if a metadata file that is not torn cannot be read. */
export const namedLists = Effect.fn("MetadataFiles.namedLists")(function* (tableFolder: string) {
  const lists = new Map<string, NamedList>()
  for (const { name } of yield* listFiles(tableFolder)) {
    const metadata = yield* readFile(tableFolder, name).pipe(
      Effect.catchIf(
        (error) => error._tag === "TableUnavailable" && Files.isMissing(error),
        () => Effect.succeed(undefined)
      )
    )
    if (metadata === undefined) continue
    const { location } = metadata
    for (const snapshot of metadata.snapshots) {
      const list = yield* located(tableFolder, location, snapshot["manifest-list"])
      lists.set(list, { list, snapshot, location })
    }
    yield* Effect.yieldNow
  }
  return [...lists.values()]
})
