/** Makes a declared change of a stream the one in force: the table first, then the log, from which the server takes it. */
import { Clock, Effect, Schema } from "effect"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { TableEvolution } from "../../services/TableEvolution.ts"
import { firstVersion } from "../declaration/assignIds.ts"
import { compareStreams, nextVersion } from "../declaration/compareStreams.ts"
import { sentenceOf } from "../declaration/Fault.ts"

class ChangeFailed extends Schema.TaggedError<ChangeFailed>()("ChangeFailed", {
  stream: Schema.String,
  /** A sentence. */
  reason: Schema.String
}) {
  override get message() {
    return `The stream ${this.stream} was not changed. ${this.reason}`
  }
}

/** The version that the stream's table got from a change that died before it was recorded. */
export const interruptedChange = Effect.fnUntraced(function* (history: ReadonlyArray<AppliedStream>) {
  const applied = history.at(-1)
  if (applied === undefined) return undefined
  const { follows } = yield* (yield* TableEvolution).inTable(applied.definition.name)
  return follows?.version === applied.version + 1 ? follows : undefined
})

/** The versions of the stream, with such a change, which is recorded now. */
const resumed = Effect.fnUntraced(function* (name: string) {
  const streams = yield* Streams
  const history = yield* streams.history(name)
  const interrupted = yield* interruptedChange(history)
  if (interrupted === undefined) return history
  yield* streams.record(interrupted)
  return [...history, interrupted]
})

/**
 * Creates the stream, or changes it; returns the version in force. `wanted` must be a change that is possible. If this dies,
 * the same call completes it.
 */
export const applyStream = Effect.fn("applyStream")(function* (
  wanted: StreamDefinition,
  onProgress: (step: string) => Effect.Effect<void>
) {
  const { name } = wanted
  const streams = yield* Streams
  const { evolve, inTable } = yield* TableEvolution
  const history = yield* resumed(name)
  const now = yield* Clock.currentTimeMillis
  const applied = history.at(-1)
  if (applied === undefined) {
    yield* streams.record(firstVersion(wanted, now))
    return 1
  }
  const { changes, refusals } = compareStreams(history, wanted)
  const [refusal] = refusals
  if (refusal !== undefined) {
    const reason = `An earlier change is complete now, and this one cannot follow it: ${sentenceOf(name, refusal)}.`
    return yield* new ChangeFailed({ stream: name, reason })
  }
  if (changes.length === 0) return applied.version
  // Another program may have added columns to the table.
  const lastId = Math.max(applied.lastId, (yield* inTable(name)).lastId)
  const next = nextVersion([...history.slice(0, -1), { ...applied, lastId }], wanted, now)
  yield* evolve(next, onProgress)
  yield* streams.record(next)
  return next.version
})
