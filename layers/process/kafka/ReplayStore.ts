/** The file of one partition of a processor that runs again: its rows, as the topics of its streams would have them, and its state. */
import { DatabaseSync } from "node:sqlite"
import { Option } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import type { Progress, Store } from "../Store.ts"
import { encodeDefinition, progressIn } from "../sqlite/progressRow.ts"
import { createTables } from "../sqlite/schema.ts"
import { statesIn } from "../sqlite/states.ts"
import { type OutputTopic, placer } from "./Store.ts"

interface StoreOptions {
  readonly path: string
  readonly definition: ProcessorDefinition
  /** Of the input. */
  readonly partition: number
  /** Offset of the first event. */
  readonly first: number
  readonly output: OutputTopic
  readonly late: OutputTopic | undefined
}

export interface ReplayStore extends Store {
  /** What is written from now on belongs to it. */
  readonly enter: (stage: number) => void
  readonly close: () => void
}

/** `place` is the partition of the stream's topic. */
const tables = `
  CREATE TABLE rows (
    stream TEXT NOT NULL, place INTEGER NOT NULL, n INTEGER NOT NULL,
    stage INTEGER NOT NULL, accepted_at INTEGER NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (stream, place, n)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE reached (stage INTEGER PRIMARY KEY, next INTEGER NOT NULL) STRICT;`

/** Throws errors of SQLite. */
export const open = ({ definition, first, late, output, partition, path }: StoreOptions): ReplayStore => {
  const database = new DatabaseSync(path)
  // After a failure it is thrown away.
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; ${tables}`)
  createTables(database)
  database
    .prepare("INSERT INTO progress (id, next, watermark, definition) VALUES (0, ?, NULL, ?)")
    .run(first, encodeDefinition(definition))
  const insert = database.prepare(
    "INSERT INTO rows (stream, place, n, stage, accepted_at, row) VALUES (?, ?, ?, ?, ?, ?)"
  )
  const reach = database.prepare("INSERT OR REPLACE INTO reached (stage, next) VALUES (?, ?)")
  let progress: Progress = { next: first, watermark: Number.NEGATIVE_INFINITY }
  let stage = 0
  let n = 0

  const appender = (topic: OutputTopic) => {
    const placeOf = placer(topic, partition)
    const { name } = topic.stream.definition
    return (record: string, acceptedAt: number) =>
      void insert.run(name, placeOf(record).place, n++, stage, acceptedAt, record)
  }

  return {
    ...statesIn(database),
    enter: (next) => {
      stage = next
      reach.run(stage, progress.next)
    },
    progress: () => progress,
    begin: () => database.exec("BEGIN"),
    row: appender(output),
    late: late === undefined ? () => {} : appender(late),
    dead: () => {},
    tick: () => {},
    commit: (next) => {
      reach.run(stage, next.next)
      database.exec("COMMIT")
      progress = next
    },
    close: () => database.close()
  }
}

/** The definition of the module that was run; undefined if a newer version of Floe wrote it. */
export const definitionIn = (database: DatabaseSync) =>
  Option.getOrUndefined(progressIn(database) ?? Option.none())?.definition

/** How far a stage came: the offset of the next event. */
export const reachedIn = (database: DatabaseSync, stage: number) =>
  Number(database.prepare("SELECT next FROM reached WHERE stage = ?").get(stage)?.next ?? 0)

/** The rows of a stage in one partition of a stream's topic, in their order; accepted in [from, before), in milliseconds since 1970. */
export const rowsIn = function* (
  database: DatabaseSync,
  {
    before,
    from,
    place,
    stage,
    stream
  }: {
    readonly stream: string
    readonly place: number
    readonly stage: number
    readonly from: number
    readonly before: number
  }
) {
  const rows = database.prepare(
    "SELECT row, accepted_at FROM rows WHERE stream = ? AND place = ? AND stage = ? ORDER BY n"
  )
  for (const { accepted_at: acceptedAt, row } of rows.iterate(stream, place, stage)) {
    if (Number(acceptedAt) >= from && Number(acceptedAt) < before) yield String(row)
  }
}
