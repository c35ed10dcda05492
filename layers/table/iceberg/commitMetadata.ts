/**
 * Makes a new version of a table durable and visible atomically. A crash leaves either the version before or this one:
 * everything that the new metadata names is synced, with its folders, before `link` gives it its name.
 */
import { dirname, join } from "node:path"
import { Effect, Schema } from "effect"
import { TableBroken, type TableUnavailable } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import * as Metadata from "./Metadata.ts"

/** Points at which a test may stop a commit, in order. */
export type Step = "written" | "durable" | "linked" | "hinted"
export type Failpoint = (step: Step) => Effect.Effect<void, TableUnavailable>

export interface NewFile {
  readonly path: string
  readonly bytes: Buffer
}

export interface NewVersion {
  readonly tableFolder: string
  /** Part of the name of every file that this writer creates. */
  readonly writer: string
  readonly version: number
  readonly metadata: Metadata.TableMetadata
  /** Manifests and manifest lists, to be written. */
  readonly files: ReadonlyArray<NewFile>
  /** Data files, written but not yet synced. */
  readonly dataFiles: ReadonlyArray<string>
  readonly failpoint?: Failpoint | undefined
}

const concurrency = { concurrency: 16, discard: true } as const

/** Another program has written this version: the commit was prepared for the version before. */
export class VersionTaken extends Schema.TaggedError<VersionTaken>()("VersionTaken", { version: Schema.Int }) {
  override get message() {
    return `Another program has written version ${this.version} of the table.`
  }
}

/** The hint is for readers that cannot list a folder; the table does not need it. */
const writeHint = Effect.fnUntraced(function* (tableFolder: string, writer: string, version: number) {
  const metadataFolder = join(tableFolder, "metadata")
  const temporary = join(metadataFolder, `${writer}-hint.tmp`)
  const hint = join(metadataFolder, "version-hint.text")
  yield* Files.writeNew(temporary, String(version)).pipe(
    Effect.andThen(Files.removeChecksum(hint)),
    Effect.andThen(Files.renameOver(temporary, hint)),
    Effect.catch((error) =>
      Effect.andThen(
        Effect.ignore(Files.remove(temporary)),
        Effect.logWarning("The table's version hint could not be written", error)
      )
    )
  )
})

/** Corrects the hint, which a crash after the link leaves at the version before. */
export const repairHint = Effect.fn("commitMetadata.repairHint")(function* (
  tableFolder: string,
  writer: string,
  version: number
) {
  const hint = yield* Files.read(join(tableFolder, "metadata", "version-hint.text")).pipe(
    Effect.map(String),
    Effect.catchIf(Files.isMissing, () => Effect.succeed(""))
  )
  if (hint !== String(version)) yield* writeHint(tableFolder, writer, version)
})

/** Returns the identity of the new metadata file, which distinguishes it from any other that may take its name. */
export const commitMetadata = Effect.fn("commitMetadata")(function* (next: NewVersion) {
  const metadataFolder = join(next.tableFolder, "metadata")
  const file = join(metadataFolder, Metadata.fileName(next.version))
  const temporary = join(metadataFolder, `${next.writer}-v${next.version}.tmp`)
  const at: Failpoint = next.failpoint ?? (() => Effect.void)
  const partitions = new Set(next.dataFiles.map(dirname))
  const folders = partitions.size === 0 ? [] : [...partitions, join(next.tableFolder, "data")]

  const identity = yield* Effect.gen(function* () {
    yield* at("written")
    yield* Effect.all(
      [
        Effect.forEach(next.dataFiles, Files.sync, concurrency),
        Effect.forEach(next.files, ({ path, bytes }) => Files.writeNew(path, bytes), concurrency),
        Files.writeNew(temporary, Metadata.encode(next.metadata))
      ],
      concurrency
    )
    yield* Effect.forEach([...folders, metadataFolder], Files.sync, concurrency)
    yield* at("durable")
    const own = yield* Files.identityOf(temporary)
    yield* Files.removeChecksum(file)
    yield* Files.linkNew(temporary, file).pipe(
      Effect.mapError((error) =>
        Files.codeOf(error.cause) === "EEXIST" ? new VersionTaken({ version: next.version }) : error
      )
    )
    yield* at("linked").pipe(
      Effect.andThen(Files.sync(metadataFolder)),
      Effect.tapError(() =>
        Files.identityOf(file).pipe(
          // Hadoop's rename may have replaced the file by another program's, which must stay.
          Effect.andThen((now) => (now === own ? Files.remove(file) : Effect.succeed(false))),
          Effect.mapError(
            () =>
              new TableBroken({
                file,
                reason: "exists, but it is unknown whether it is durable; restart the sink"
              })
          )
        )
      )
    )
    return own
  }).pipe(
    Effect.onError(() => Effect.forEach(next.files, ({ path }) => Effect.ignore(Files.remove(path)), concurrency)),
    Effect.ensuring(Effect.ignore(Files.remove(temporary)))
  )
  yield* writeHint(next.tableFolder, next.writer, next.version)
  yield* Effect.ignore(at("hinted"))
  return identity
}, Effect.uninterruptible)
