/** The applied streams, in the table `schemas` of the log. Read beside a running server, and written beside it in a short transaction. */
import type { DatabaseSync } from "node:sqlite"
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { AppliedStream } from "../../../services/StreamDefinition.ts"
import { NoSuchStream, Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { nearest } from "../../runtime/nearest.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import * as LogFile from "./LogFile.ts"
import { corrupt } from "./LogTable.ts"
import { missing, unavailable, whenReading, whenWriting } from "./logFailures.ts"
import { position } from "./logRows.ts"
import { hasStreams } from "./schema.ts"

/** A writer of the log takes milliseconds; SQLite blocks the thread for as long as it waits. */
const busyMillis = 2_000

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(AppliedStream))
const encode = Schema.encodeSync(Schema.fromJsonString(AppliedStream))

const newest = `SELECT stream, applied FROM schemas AS one
  WHERE version = (SELECT max(version) FROM schemas WHERE stream = one.stream) ORDER BY stream`

const decoded = (rows: ReadonlyArray<Record<string, unknown>>) =>
  rows.map(({ applied, stream }) => {
    const one = decode(applied)
    if (Option.isNone(one)) throw corrupt(0, `the definition of the stream ${stream} is unreadable`)
    return one.value
  })

/** Nothing is applied in a log that does not exist yet, nor in one of an older format. */
const read = (folder: DataFolder["Service"], rows: (database: DatabaseSync) => ReadonlyArray<AppliedStream>) => {
  if (!LogFile.isThere(folder)) return []
  const { database, isStale } = ReadOnly.open(folder.log, busyMillis)
  try {
    LogFile.identityIn(database)
    const found = hasStreams(database) ? rows(database) : []
    if (isStale()) throw unavailable("streams", "a server has just started on it; try again")
    return found
  } finally {
    database.close()
  }
}

const write = (folder: DataFolder["Service"], stream: AppliedStream, now: number) => {
  const { definition, version } = stream
  if (!LogFile.isThere(folder)) {
    throw missing("streams", folder.log)
  }
  // Before it is opened to write, as closing that connection deletes a WAL that may have recoverable events.
  LogFile.verify(folder)
  const database = LogFile.openToWrite(folder.log, busyMillis)
  try {
    database.exec("BEGIN IMMEDIATE")
    const last = database.prepare("SELECT max(version) AS version FROM schemas WHERE stream = ?").get(definition.name)
    const expected = (typeof last?.version === "number" ? last.version : 0) + 1
    if (version !== expected) {
      throw unavailable(
        "streams",
        `version ${version} of the stream ${definition.name} cannot follow version ${expected - 1}: another program has changed it; try again`
      )
    }
    database
      .prepare("INSERT INTO schemas (stream, version, applied, applied_at) VALUES (?, ?, ?, ?)")
      .run(definition.name, version, encode(stream), now)
    database.exec("COMMIT")
  } finally {
    if (database.isTransaction) database.exec("ROLLBACK")
    database.close()
  }
}

export const layer = Layer.effect(
  Streams,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const reading = (rows: (database: DatabaseSync) => ReadonlyArray<AppliedStream>) =>
      Effect.try({ try: () => read(folder, rows), catch: (cause) => whenReading("streams", position(0), cause) })

    const all = Effect.map(
      reading((database) => decoded(database.prepare(newest).all())),
      (streams) => [weatherStream, ...streams]
    )

    return Streams.of({
      all,
      begin: () => Effect.void,
      withdraw: () => Effect.void,
      pending: Effect.succeed([]),
      processors: Effect.succeed([]),
      recordProcessor: () => Effect.void,
      paused: Effect.succeed(new Set<string>()),
      setPaused: () => Effect.void,
      generations: Effect.succeed(new Map()),
      setGeneration: () => Effect.void,
      rebuild: Effect.undefined,
      setRebuild: () => Effect.void,
      find: Effect.fn("Streams.find")(function* (name: string) {
        const streams = yield* all
        const found = streams.find(({ definition }) => definition.name === name)
        if (found !== undefined) return found
        const names = streams.map(({ definition }) => definition.name)
        return yield* new NoSuchStream({ name, nearest: nearest(name, names) ?? null })
      }),
      history: Effect.fn("Streams.history")((name: string) =>
        name === weatherStream.definition.name
          ? Effect.succeed([weatherStream])
          : reading((database) =>
              decoded(
                database.prepare("SELECT stream, applied FROM schemas WHERE stream = ? ORDER BY version").all(name)
              )
            )
      ),
      record: Effect.fn("Streams.record")(function* (stream: AppliedStream) {
        const now = yield* Clock.currentTimeMillis
        yield* Effect.try({
          try: () => write(folder, stream, now),
          catch: (cause) => whenWriting("streams", cause)
        })
      })
    })
  })
)
