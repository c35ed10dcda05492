/** The open windows of a processor, or the states of a fold, for a query. Read beside the running processor. */
import { closeSync, openSync, writeSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { Option, Schema } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import type { Column } from "../../../services/StreamDefinition.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import { processorFolder } from "../../log/sqlite/processorFolder.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import { timeText } from "../core/eventTime.ts"
import type { Tick } from "../Store.ts"
import { type ProgressRow, progressIn } from "./progressRow.ts"

const busyMillis = 2_000

export interface ProcessorState extends Schema.Schema.Type<typeof ProgressRow> {
  /** Open windows, or keys of a fold. */
  readonly windows: number
  readonly deadLetters: number
}

const key: Column = { name: "key", required: true, type: "string" }
const span = ["window_start", "window_end"].map((name): Column => ({ name, required: true, type: "timestamptz" }))

/** The columns of the view of the state. */
export const stateColumns = ({ kind, state }: ProcessorDefinition): ReadonlyArray<Column> => [
  key,
  ...(kind === "window" ? span : []),
  ...state
]

/** Uses the file of a processor; undefined if it has not begun: it has no file, or one without its tables. */
const reading = <A>(
  folder: DataFolder["Service"],
  name: string,
  use: (database: ReadOnly.ReadOnly["database"]) => A
) => {
  const place = processorFolder(folder, name)
  if (!LogFile.isThere(place)) return undefined
  const { database } = ReadOnly.open(place.log, busyMillis)
  try {
    database.exec("BEGIN")
    const hasBegun = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'progress'").get() !== undefined
    return hasBegun ? use(database) : undefined
  } finally {
    database.close()
  }
}

const count = (row: Record<string, unknown> | undefined) => Number(row?.n ?? 0)

/** How far a processor is; undefined if it has not begun. Throws errors of SQLite. */
export const processorState = (folder: DataFolder["Service"], name: string): ProcessorState | undefined =>
  reading(folder, name, (database) => {
    const progress = Option.getOrUndefined(progressIn(database) ?? Option.none())
    if (progress === undefined) return undefined
    return {
      ...progress,
      windows: count(database.prepare("SELECT count(*) AS n FROM windows").get()),
      deadLetters: count(database.prepare("SELECT count(*) AS n FROM dead_letters").get())
    }
  })

const decodeTicks = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ next: Schema.Int, at: Schema.Int })))

/** A file of an older version has none. */
const ticksIn = (database: ReadOnly.ReadOnly["database"]): ReadonlyArray<Tick> =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ticks'").get() === undefined
    ? []
    : decodeTicks(database.prepare("SELECT next, at FROM ticks ORDER BY id").all())

/** The moments at which a processor has closed windows by the clock. */
export const ticksOf = (folder: DataFolder["Service"], name: string) => reading(folder, name, ticksIn) ?? []

/** How far a processor is, and the end of each of its streams then; undefined if it has not begun. Throws errors of SQLite. */
export const processedUpTo = (folder: DataFolder["Service"], name: string) =>
  reading(folder, name, (database) => {
    const progress = Option.getOrUndefined(progressIn(database) ?? Option.none())
    if (progress === undefined) return undefined
    return {
      ...progress,
      ticks: ticksIn(database),
      ends: LogFile.endsIn(database, LogFile.identityIn(database).chainId)
    }
  })

const chunk = 1_000_000

/** The windows as JSON objects, one a line, with the columns of `stateColumns`; some at once. */
const linesIn = function* (database: DatabaseSync, hasWindows: boolean) {
  let lines = ""
  for (const row of database.prepare(`SELECT key, start, "end", state FROM windows`).iterate()) {
    const { end, key, start, state } = row
    const bounds = hasWindows
      ? `,"window_start":"${timeText(Number(start))}","window_end":"${timeText(Number(end))}"`
      : ""
    const columns = String(state).slice(1)
    lines += `{"key":${JSON.stringify(key)}${bounds}${columns === "}" ? "" : ","}${columns}\n`
    if (lines.length < chunk) continue
    yield lines
    lines = ""
  }
  yield lines
}

/** Appends the windows of a database to a file: JSON objects, one a line, with the columns of `stateColumns`. */
export const appendStates = (database: DatabaseSync, hasWindows: boolean, path: string) => {
  const file = openSync(path, "a", 0o600)
  try {
    for (const lines of linesIn(database, hasWindows)) writeSync(file, lines)
  } finally {
    closeSync(file)
  }
}

/** Writes the windows of a processor's file to a new one. */
export const writeStates = (folder: DataFolder["Service"], name: string, hasWindows: boolean, path: string) => {
  closeSync(openSync(path, "wx", 0o600))
  reading(folder, name, (database) => appendStates(database, hasWindows, path))
}
