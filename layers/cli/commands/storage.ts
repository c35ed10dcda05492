import { Effect, Schema, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Storage, type StorageError, type StoredFile, type StoredFolder } from "../../../services/Storage.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { size } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"

class PathNotFound extends Schema.TaggedError<PathNotFound>()("PathNotFound", { place: Schema.String }) {
  override get message() {
    return `There is nothing at ${this.place}.`
  }
}

interface Sum {
  files: number
  bytes: number
}

interface SummedFolder extends StoredFolder, Sum {}

type Listed = StoredFile | SummedFolder

const partitionOf = (path: string) => path.split("/").find((part) => part.startsWith("ts="))

const counter = () => {
  const total: Sum = { files: 0, bytes: 0 }
  const partitions = new Map<string, Sum>()
  const add = (entry: Listed) => {
    if (entry._tag === "Folder") {
      total.files += entry.files
      total.bytes += entry.bytes
      return
    }
    const partition = partitionOf(entry.path)
    const of = partition === undefined ? undefined : (partitions.get(partition) ?? { files: 0, bytes: 0 })
    if (partition !== undefined && of !== undefined) partitions.set(partition, of)
    for (const sum of of === undefined ? [total] : [total, of]) {
      sum.files += 1
      sum.bytes += entry.bytes
    }
  }
  return { total, add, byPartition: () => [...partitions].sort(([a], [b]) => (a < b ? -1 : 1)) }
}

const visible = (path: string) => path.replace(/\p{Cc}/gu, "�")
const timeOf = (millis: number) => new Date(millis).toISOString().slice(0, 19).replace("T", " ")

const line = (entry: Listed) =>
  entry._tag === "Folder"
    ? `${size(entry.bytes).padStart(11)}  ${plural(entry.files, "file").padStart(19)}  ${visible(entry.path)}\n`
    : `${size(entry.bytes).padStart(11)}  ${timeOf(entry.modifiedAt)}  ${visible(entry.path)}\n`

const jsonLine = (entry: Listed) => {
  const shown =
    entry._tag === "Folder"
      ? { type: "folder", path: entry.path, files: entry.files, bytes: entry.bytes }
      : {
          type: "file",
          path: entry.path,
          bytes: entry.bytes,
          modifiedAt: new Date(entry.modifiedAt).toISOString()
        }
  return `${JSON.stringify(shown)}\n`
}

const ls = Command.make(
  "ls",
  {
    path: Argument.String("path").pipe(
      Argument.withDescription("A folder in the warehouse (for example, default/weather/data)"),
      Argument.withDefault("")
    ),
    recursive: Flag.Boolean("recursive").pipe(
      Flag.withAlias("r"),
      Flag.withDescription("List all files below it, and the totals of each partition"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object per line"), Flag.withDefault(false))
  },
  Effect.fn("floe storage ls")(function* ({ path, recursive, json }) {
    const storage = yield* Storage
    const folder = path.replace(/^\/+|\/+$/g, "")
    const place = folder === "" ? storage.warehouse : `${storage.warehouse}/${folder}`
    const count = counter()
    let entries = 0
    const summed = (entry: StoredFile | StoredFolder): Effect.Effect<Listed, StorageError> =>
      entry._tag === "File"
        ? Effect.succeed(entry)
        : Stream.runFold(
            storage.listAll(entry.path),
            () => ({ ...entry, files: 0, bytes: 0 }),
            (sum, { bytes }) => ({ ...sum, files: sum.files + 1, bytes: sum.bytes + bytes })
          )
    const listed: Stream.Stream<Listed, StorageError> = recursive
      ? storage.listAll(folder)
      : storage.list(folder).pipe(Stream.mapEffect(summed))
    const lines = Stream.mapArray(listed, (chunk) => {
      entries += chunk.length
      for (const entry of chunk) count.add(entry)
      return [chunk.map(json ? jsonLine : line).join("")]
    })
    const totals = Stream.suspend(() => {
      if (entries === 0 && folder !== "") return Stream.fail(new PathNotFound({ place }))
      const partitions = recursive ? count.byPartition() : []
      if (json) {
        return Stream.make(
          ...partitions.map(([partition, sum]) => `${JSON.stringify({ type: "partition", partition, ...sum })}\n`),
          `${JSON.stringify({ type: "total", place, ...count.total })}\n`
        )
      }
      return Stream.make(
        ...(partitions.length === 0 ? [] : ["\n"]),
        ...partitions.map(
          ([name, sum]) => `${size(sum.bytes).padStart(11)}  ${visible(name)}, ${plural(sum.files, "file")}\n`
        ),
        `${size(count.total.bytes).padStart(11)}  ${place}, ${plural(count.total.files, "file")}\n`
      )
    })
    yield* print(Stream.concat(lines, totals))
  })
).pipe(
  Command.withDescription(
    "List the contents of the warehouse, with sizes. The size of a folder is that of all files below it."
  ),
  Command.withExamples([
    { command: "floe storage ls", description: "List the folders of the warehouse" },
    {
      command: "floe storage ls default/weather/data -r",
      description: "List all data files, and the totals of each partition"
    },
    { command: "floe storage ls -r --json", description: "List all files as one JSON object per line" }
  ])
)

export const storage = Command.make("storage").pipe(
  Command.withDescription("The warehouse holds the files of the tables."),
  Command.withShortDescription("List the files of the tables"),
  Command.withSubcommands([ls]),
  Command.provide(Profile.layer("storage"))
)
