/** What a table is, its snapshots, its files. */
import { Effect, Option, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import {
  type DataFile,
  type HistoryEntry,
  TableName,
  TableReader,
  type TableSnapshot,
  weather
} from "../../../services/TableReader.ts"
import * as Profile from "../../profile/Profile.ts"
import { asOfFlag } from "../terminal/asOfFlag.ts"
import { count, facts, list, size, text, time, whole } from "../terminal/listing.ts"
import { counted } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"

const table = Argument.String("table").pipe(
  Argument.withDescription("The table's name in the schema default"),
  Argument.withSchema(TableName),
  Argument.withDefault(weather)
)

const describe = Command.make(
  "describe",
  { table, json },
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
      ["properties", lines(Object.entries(properties).map(([key, value]) => `${key} = ${value}`))],
      ["snapshot", current === null ? "none" : `${current.id} of ${time(current.committedAt)}`],
      ["rows", current?.rows == null ? "not known" : counted(current.rows)],
      [
        "files",
        current?.files == null
          ? "not known"
          : `${counted(current.files)}${current.bytes === null ? "" : ` (${size(current.bytes)})`}`
      ],
      [
        "log position",
        current?.log == null
          ? "not known"
          : current.log.positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")
      ]
    ])
  })
).pipe(
  Command.withDescription("Show a table's columns, partitioning, location and current snapshot"),
  Command.withExamples([{ command: "floe table describe", description: "What is the table default.weather?" }]),
  Command.provide(({ table }) => Profile.tableReader(table))
)

const seconds = (millis: number) => time(millis).slice(0, 19).replace("T", " ")

/** As many as fit into 80 columns. */
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

/** In JSON all that there is. */
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
  { table, json },
  Effect.fn("floe table snapshots")(function* ({ json }) {
    const found = Stream.fromIterable(yield* (yield* TableReader).snapshots)
    yield* list(json ? everySnapshotColumn : snapshotColumns, found, json)
  })
).pipe(
  Command.withDescription(
    "List the snapshots that are kept, newest first; log is how far the log is in a snapshot: the next offset of each partition"
  ),
  Command.withShortDescription("List the snapshots that are kept"),
  Command.withExamples([
    { command: "floe table snapshots --json", description: "All that is known of each snapshot" },
    {
      command: 'floe query --as-of 4711 "SELECT count(*) FROM weather"',
      description: "Query one of them by its id"
    }
  ]),
  Command.provide(({ table }) => Profile.tableReader(table))
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
  { table, json },
  Effect.fn("floe table history")(function* ({ json }) {
    yield* list(
      json ? everyHistoryColumn : historyColumns,
      Stream.fromIterable(yield* (yield* TableReader).history),
      json
    )
  })
).pipe(
  Command.withDescription(
    "List when each snapshot became the current one, newest first; ancestor is true if the current snapshot descends from it"
  ),
  Command.withShortDescription("List when each snapshot became the current one"),
  Command.withExamples([{ command: "floe table history", description: "How did the table come to be as it is?" }]),
  Command.provide(({ table }) => Profile.tableReader(table))
)

const fileColumns = [
  text<DataFile>("path", ({ path }) => path),
  text<DataFile>("partition", ({ partition }) => partition),
  count<DataFile>("rows", ({ rows }) => rows),
  count<DataFile>("bytes", ({ bytes }) => bytes)
]

const files = Command.make(
  "files",
  { table, json, asOf: asOfFlag },
  Effect.fn("floe table files")(function* ({ asOf, json }) {
    yield* list(fileColumns, (yield* TableReader).files(Option.getOrUndefined(asOf)), json)
  })
).pipe(
  Command.withDescription("List the data files of a snapshot, with their paths below the table's location"),
  Command.withShortDescription("List the data files"),
  Command.withExamples([
    { command: "floe table files", description: "The files of the current snapshot" },
    { command: "floe table files --as-of 2026-01-08T14:30", description: "Those of an older one" }
  ]),
  Command.provide(({ table }) => Profile.tableReader(table))
)

export const views = [describe, snapshots, history, files] as const
