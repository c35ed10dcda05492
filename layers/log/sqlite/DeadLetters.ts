/**
 * The dead letters that the log keeps: events that the server did not accept, in the order in which they came. Of a stream
 * that a processor writes, they are the events and windows that the processor could not process, in the processor's file.
 */
import type { DatabaseSync } from "node:sqlite"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import {
  type DeadLetter,
  DeadLetters,
  DeadLettersUnavailable,
  NoDeadLetters,
  NoSuchDeadLetter
} from "../../../services/DeadLetters.ts"
import type { Position } from "../../../services/EventLog.ts"
import { deadLettersOf } from "../../../services/Topics.ts"
import { weatherStream } from "../../../services/Weather.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import * as LogFile from "./LogFile.ts"
import { missing, unavailable, whenReading } from "./logFailures.ts"
import { position } from "./logRows.ts"
import { processorFolder } from "./processorFolder.ts"
import { hasStreams } from "./schema.ts"
import { writerIn } from "./writerIn.ts"

/** A writer of the log takes milliseconds; SQLite blocks the thread for as long as it waits. */
const busyMillis = 2_000
/** An event has at most 1 MiB. */
const pageSize = 50

const Redrives = Schema.fromJsonString(Schema.Array(Schema.String))
const Row = Schema.Struct({
  id: Schema.Int,
  value: Schema.String,
  reason: Schema.String,
  accepted_at: Schema.Int,
  redrives: Redrives
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(Row))
const encodeRedrives = Schema.encodeSync(Redrives)

const columns = "id, value, reason, accepted_at, redrives"

const none = { connector: null, task: null, stage: null, by: null, exception: null, message: null, trace: null }

const letterOf = ({ id, value, reason, accepted_at, redrives }: typeof Row.Type): DeadLetter => ({
  position: position(id),
  loggedAt: accepted_at,
  source: null,
  reason,
  rejection: none,
  key: null,
  value: Buffer.from(value),
  headers: [],
  redrives
})

const make = Effect.gen(function* () {
  const folder = yield* DataFolder

  const failed = (operation: string) => (cause: unknown) => {
    const failure = whenReading(operation, position(0), cause)
    const reason = failure._tag === "LogUnavailable" ? failure.reason.message : failure.message.replace(/\.$/, "")
    return new DeadLettersUnavailable({ operation, reason, cause: failure })
  }

  const reading = <A>(operation: string, use: (database: DatabaseSync) => A, place = folder) =>
    Effect.try({
      try: () => {
        if (!LogFile.isThere(place)) throw missing(operation, place.log)
        const { database, isStale } = ReadOnly.open(place.log, busyMillis)
        try {
          const result = use(database)
          if (isStale()) throw unavailable(operation, "a server has just started on it; try again")
          return result
        } finally {
          database.close()
        }
      },
      catch: failed(operation)
    })

  const now = Effect.fn("DeadLetters.now")(function* (stream: string) {
    if (stream === weatherStream.definition.name) return yield* new NoDeadLetters()
    const processor = yield* reading("read", (database) => writerIn(database, stream))
    const ofProcessor = processor === undefined ? undefined : processorFolder(folder, processor)
    // As long as a processor has no file, the log, in which it has none.
    const isThere = ofProcessor !== undefined && LogFile.isThere(ofProcessor)
    const place = isThere ? ofProcessor : folder
    const source = processor ?? stream
    const readingPlace: typeof reading = (operation, use) => reading(operation, use, place)
    const { logId, last, waiting, total } = yield* readingPlace("read", (database) => {
      const { logId } = LogFile.identityIn(database)
      const row = hasStreams(database)
        ? database
            .prepare(
              "SELECT count(*) AS total, coalesce(sum(redrives = '[]'), 0) AS waiting, coalesce(max(id), 0) AS last FROM dead_letters WHERE stream = ?"
            )
            .get(source)
        : undefined
      const { total, waiting, last } = { total: 0, waiting: 0, last: 0, ...row }
      return { logId, last: Number(last), waiting: Number(waiting), total: Number(total) }
    })

    const after = (id: number) =>
      readingPlace("read", (database) =>
        decodeRows(
          database
            .prepare(
              `SELECT ${columns} FROM dead_letters WHERE stream = ? AND id > ? AND id <= ? ORDER BY id LIMIT ${pageSize}`
            )
            .all(source, id, last)
        )
      )

    const find = Effect.fnUntraced(function* ({ partition, offset }: Position) {
      const [row] = yield* readingPlace("find", (database) =>
        partition === 0 && hasStreams(database)
          ? decodeRows(
              database.prepare(`SELECT ${columns} FROM dead_letters WHERE stream = ? AND id = ?`).all(source, offset)
            )
          : []
      )
      if (row !== undefined) return letterOf(row)
      const reason = `There is no dead letter of ${stream} at ${partition}/${offset}; floe dlq list --stream ${stream} lists them`
      return yield* new NoSuchDeadLetter({ reason })
    })

    return {
      topic: deadLettersOf(stream),
      topicId: logId,
      waiting,
      redriven: total - waiting,
      letters:
        total === 0
          ? Stream.empty
          : Stream.paginate(0, (id) =>
              Effect.map(after(id), (rows) => {
                const next = rows.at(-1)?.id
                return [
                  rows.map(letterOf),
                  rows.length < pageSize ? Option.none() : Option.fromUndefinedOr(next)
                ] as const
              })
            ),
      find,
      redrivesOf: (position: Position) => Effect.map(find(position), ({ redrives }) => redrives)
    }
  })

  const remember = Effect.fn("DeadLetters.remember")((_stream: string, { offset }: Position, at: string) =>
    Effect.try({
      try: () => {
        // Before it is opened to write, as closing that connection deletes a WAL that may have recoverable events.
        LogFile.verify(folder)
        const database = LogFile.openToWrite(folder.log, busyMillis)
        try {
          database.exec("BEGIN IMMEDIATE")
          const [row] = decodeRows(database.prepare(`SELECT ${columns} FROM dead_letters WHERE id = ?`).all(offset))
          if (row !== undefined && !row.redrives.includes(at)) {
            const redrives = encodeRedrives([...row.redrives, at])
            database.prepare("UPDATE dead_letters SET redrives = ? WHERE id = ?").run(redrives, offset)
          }
          database.exec("COMMIT")
        } finally {
          if (database.isTransaction) database.exec("ROLLBACK")
          database.close()
        }
      },
      catch: failed("remember")
    })
  )

  return DeadLetters.of({ now, remember })
})

export const layer = Layer.effect(DeadLetters, make)
