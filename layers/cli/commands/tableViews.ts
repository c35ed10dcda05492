/** A table's description, snapshots, history and files. */
import { Effect, Layer, Option, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import {
  type DataFile,
  type HistoryEntry,
  TableName,
  TableReader,
  type TableSnapshot
} from "../../../services/TableReader.ts"
import * as Profile from "../../profile/Profile.ts"
import { asOfFlag } from "../terminal/asOfFlag.ts"
import { count, facts, list, size, text, time, whole } from "../terminal/listing.ts"
import { counted } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { ownedName, ownerFlag } from "../terminal/streamFlag.ts"

const table = Argument.String("table").pipe(
  Argument.withDescription("Name of the table, in the schema default"),
  Argument.withSchema(TableName),
  Argument.optional
)
const stream = ownerFlag.pipe(Flag.withDescription("The stream whose table it is, which has the same name"))

interface Given {
  readonly table: Option.Option<string>
  readonly stream: Option.Option<string>
}

const readerOf = (command: string, { stream, table }: Given) =>
  Layer.unwrap(Effect.map(ownedName(`floe table ${command}`, table, stream, String), Profile.tableReader))

const maxProperty = 200
/** --json prints properties in full. */
const shortened = (value: string) => (value.length > maxProperty ? `${value.slice(0, maxProperty)}…` : value)

const describe = Command.make(
  "describe",
  { table, stream, json },
  Effect.fn("floe table describe")(function* ({ json }) {
    const reader = yield* TableReader
    const description = yield* reader.describe
    const current = Option.getOrNull(yield* reader.current)
    if (json) {
      return yield* printJson({
        ...description,
        current: current === null ? null : { ...current, committedAt: time(current.committedAt) }
      })
    }
    const { columns, formatVersion, location, name, partitioning, properties } = description
    const lines = (texts: ReadonlyArray<string>) => (texts.length === 0 ? "none" : texts.join("\n"))
    yield* facts([
      ["table", name],
      ["location", location],
      ["format", `Iceberg v${formatVersion}`],
      ["columns", lines(columns.map(({ name, required, type }) => `${name} ${type}${required ? " not null" : ""}`))],
      ["partitioned by", lines(partitioning)],
      ["properties", lines(Object.entries(properties).map(([key, value]) => `${key} = ${shortened(value)}`))],
      ["snapshot", current === null ? "none" : `${current.id} of ${time(current.committedAt)}`],
      ["rows", current?.rows == null ? "unknown" : counted(current.rows)],
      [
        "files",
        current?.files == null
          ? "unknown"
          : `${counted(current.files)}${current.bytes === null ? "" : ` (${size(current.bytes)})`}`
      ],
      [
        "log position",
        current?.log == null
          ? "unknown"
          : current.log.positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")
      ]
    ])
  })
).pipe(
  Command.withDescription(
    "Show a table's columns, partitioning, location and current snapshot. Long properties are cut; --json prints them in full."
  ),
  Command.withShortDescription("Show a table's columns, partitioning, location and current snapshot"),
  Command.withExamples([
    { command: "floe table describe", description: "Describe default.weather" },
    { command: "floe table describe readings", description: "Describe the table of a stream of your own" }
  ]),
  Command.provide((given) => readerOf("describe", given))
)

const seconds = (millis: number) => time(millis).slice(0, 19).replace("T", " ")

const snapshotColumns = [
  whole<TableSnapshot>("snapshot", ({ id }) => id),
  whole<TableSnapshot>("committed (UTC)", ({ committedAt }) => seconds(committedAt)),
  text<TableSnapshot>("change", ({ operation }) => operation),
  count<TableSnapshot>("rows", ({ rows }) => rows),
  count<TableSnapshot>("files", ({ files }) => files),
  text<TableSnapshot>(
    "log",
    ({ log }) => log?.positions.map(({ partition, offset }) => `${partition}/${offset}`).join(" ") ?? null
  )
]

const everySnapshotColumn = [
  text<TableSnapshot>("id", ({ id }) => id),
  text<TableSnapshot>("parentId", ({ parentId }) => parentId),
  text<TableSnapshot>("committedAt", ({ committedAt }) => time(committedAt)),
  text<TableSnapshot>("operation", ({ operation }) => operation),
  count<TableSnapshot>("rowsAdded", ({ rowsAdded }) => rowsAdded),
  count<TableSnapshot>("rowsRemoved", ({ rowsRemoved }) => rowsRemoved),
  count<TableSnapshot>("filesAdded", ({ filesAdded }) => filesAdded),
  count<TableSnapshot>("filesRemoved", ({ filesRemoved }) => filesRemoved),
  count<TableSnapshot>("rows", ({ rows }) => rows),
  count<TableSnapshot>("files", ({ files }) => files),
  count<TableSnapshot>("bytes", ({ bytes }) => bytes),
  text<TableSnapshot>("log", ({ log }) => log)
]

const snapshots = Command.make(
  "snapshots",
  { table, stream, json },
  Effect.fn("floe table snapshots")(function* ({ json }) {
    const all = Stream.fromIterable(yield* (yield* TableReader).snapshots)
    yield* list(json ? everySnapshotColumn : snapshotColumns, all, json)
  })
).pipe(
  Command.withDescription(
    "List the retained snapshots, newest first. The column log is the snapshot's position in the log: the next offset of each partition."
  ),
  Command.withShortDescription("List the retained snapshots"),
  Command.withExamples([
    { command: "floe table snapshots --json", description: "List them with all details" },
    {
      command: 'floe query --as-of 4711 "SELECT count(*) FROM weather"',
      description: "Query one of them by its id"
    }
  ]),
  Command.provide((given) => readerOf("snapshots", given))
)

const historyColumns = [
  whole<HistoryEntry>("snapshot", ({ snapshotId }) => snapshotId),
  whole<HistoryEntry>("made current (UTC)", ({ madeCurrentAt }) => seconds(madeCurrentAt)),
  whole<HistoryEntry>("parent", ({ parentId }) => parentId),
  text<HistoryEntry>("ancestor", ({ isCurrentAncestor }) => isCurrentAncestor)
]

const everyHistoryColumn = [
  text<HistoryEntry>("madeCurrentAt", ({ madeCurrentAt }) => time(madeCurrentAt)),
  text<HistoryEntry>("snapshotId", ({ snapshotId }) => snapshotId),
  text<HistoryEntry>("parentId", ({ parentId }) => parentId),
  text<HistoryEntry>("isCurrentAncestor", ({ isCurrentAncestor }) => isCurrentAncestor)
]

const history = Command.make(
  "history",
  { table, stream, json },
  Effect.fn("floe table history")(function* ({ json }) {
    yield* list(
      json ? everyHistoryColumn : historyColumns,
      Stream.fromIterable(yield* (yield* TableReader).history),
      json
    )
  })
).pipe(
  Command.withDescription(
    "List when each snapshot became current, newest first. The column ancestor is true if the current snapshot descends from it."
  ),
  Command.withShortDescription("List when each snapshot became current"),
  Command.withExamples([
    { command: "floe table history", description: "List how the table reached its current state" }
  ]),
  Command.provide((given) => readerOf("history", given))
)

const fileColumns = [
  text<DataFile>("path", ({ path }) => path),
  text<DataFile>("partition", ({ partition }) => partition),
  count<DataFile>("rows", ({ rows }) => rows),
  count<DataFile>("bytes", ({ bytes }) => bytes)
]

const files = Command.make(
  "files",
  { table, stream, json, asOf: asOfFlag },
  Effect.fn("floe table files")(function* ({ asOf, json }) {
    yield* list(fileColumns, (yield* TableReader).files(Option.getOrUndefined(asOf)), json)
  })
).pipe(
  Command.withDescription("List the data files of a snapshot, with paths relative to the table's location."),
  Command.withShortDescription("List the data files"),
  Command.withExamples([
    { command: "floe table files", description: "List the files of the current snapshot" },
    { command: "floe table files --as-of 2026-01-08T14:30", description: "List the files of an older one" }
  ]),
  Command.provide((given) => readerOf("files", given))
)

export const views = [describe, snapshots, history, files] as const
