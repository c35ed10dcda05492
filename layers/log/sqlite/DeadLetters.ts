/** The dead letters that the log keeps: events that the server did not accept, in the order in which they came. */
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
import { hasStreams } from "./schema.ts"

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

  const reading = <A>(operation: string, use: (database: DatabaseSync) => A) =>
    Effect.try({
      try: () => {
        if (!LogFile.isThere(folder)) throw missing(operation, folder.log)
        const { database, isStale } = ReadOnly.open(folder.log, busyMillis)
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
    const { logId, last, waiting, total } = yield* reading("read", (database) => {
      const { logId } = LogFile.identityIn(database)
      const row = hasStreams(database)
        ? database
            .prepare(
              "SELECT count(*) AS total, coalesce(sum(redrives = '[]'), 0) AS waiting, coalesce(max(id), 0) AS last FROM dead_letters WHERE stream = ?"
            )
            .get(stream)
        : undefined
      const { total, waiting, last } = { total: 0, waiting: 0, last: 0, ...row }
      return { logId, last: Number(last), waiting: Number(waiting), total: Number(total) }
    })

    const after = (id: number) =>
      reading("read", (database) =>
        decodeRows(
          database
            .prepare(
              `SELECT ${columns} FROM dead_letters WHERE stream = ? AND id > ? AND id <= ? ORDER BY id LIMIT ${pageSize}`
            )
            .all(stream, id, last)
        )
      )

    const find = Effect.fnUntraced(function* ({ partition, offset }: Position) {
      const [row] = yield* reading("find", (database) =>
        partition === 0 && hasStreams(database)
          ? decodeRows(
              database.prepare(`SELECT ${columns} FROM dead_letters WHERE stream = ? AND id = ?`).all(stream, offset)
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
