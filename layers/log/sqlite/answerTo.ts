/** The answer to an append whose Idempotency-Key was used before. */
import { Effect } from "effect"
import {
  type Appended,
  type AppendOutcomeUnknown,
  type IdempotencyKey,
  isSameRequest,
  KeyReused,
  LogCorrupt,
  type LogUnavailable
} from "../../../services/EventLog.ts"
import type { DeadLetterTable } from "./DeadLetterTable.ts"
import { whenWriting } from "./logFailures.ts"
import { type LogRow, position } from "./logRows.ts"

export type Outcome = Effect.Effect<Appended, KeyReused | LogUnavailable | AppendOutcomeUnknown>

interface Keys {
  /** The first event of the append with the key, if it logged any. */
  readonly find: (key: string, now: number) => LogRow | undefined
  readonly deadLetters: DeadLetterTable
  readonly stream: string
}

const ofEvents = (row: LogRow): Appended => ({
  positions: [{ ...position(row.offset), count: row.records ?? 0 }],
  ts: typeof row.record === "string" ? undefined : row.record.ts,
  repeated: true
})

/** Undefined for a key that is new, or no longer kept at `now`. */
export const answerTo = (
  idempotency: IdempotencyKey,
  { find, deadLetters, stream }: Keys,
  now: number
): Outcome | undefined => {
  try {
    const row = find(idempotency.key, now)
    const digest = row === undefined ? deadLetters.find(stream, idempotency.key, now) : row.digest
    if (digest === undefined) return undefined
    if (!isSameRequest(idempotency, digest)) return Effect.fail(new KeyReused())
    return Effect.succeed(row === undefined ? { positions: [], repeated: true } : ofEvents(row))
  } catch (cause) {
    if (cause instanceof LogCorrupt) return Effect.fail(whenWriting("append", cause))
    throw cause
  }
}
