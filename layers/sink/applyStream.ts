/** Makes a declared change of a stream the one in force: the table and what else it has first, then the log, from which the server takes it. */
import { Clock, Effect, Schema } from "effect"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { TableEvolution } from "../../services/TableEvolution.ts"
import { firstVersion } from "../declaration/assignIds.ts"
import { compareStreams, nextVersion } from "../declaration/compareStreams.ts"
import { sentenceOf } from "../declaration/Fault.ts"

type OnProgress = (step: string) => Effect.Effect<void>

class ChangeFailed extends Schema.TaggedError<ChangeFailed>()("ChangeFailed", {
  stream: Schema.String,
  /** A sentence. */
  reason: Schema.String
}) {
  override get message() {
    return `The stream ${this.stream} was not changed. ${this.reason}`
  }
}

/** Everything that the stream has gets this version, then the log. If this dies, the same call completes it. */
export const bringIn = Effect.fnUntraced(function* (next: AppliedStream, onProgress: OnProgress) {
  yield* (yield* TableEvolution).evolve(next, onProgress)
  yield* (yield* Streams).record(next)
})

const current = Effect.fnUntraced(function* (name: string) {
  const history = yield* (yield* Streams).history(name)
  return { history, ...(yield* (yield* TableEvolution).inspect(name, history.at(-1))) }
})

/** Another program may have added columns to the table; `lastId` is the last field id that the table has given. */
const versionAfter = (
  history: ReadonlyArray<AppliedStream>,
  applied: AppliedStream,
  lastId: number,
  wanted: StreamDefinition,
  now: number
) => nextVersion([...history.slice(0, -1), { ...applied, lastId: Math.max(applied.lastId, lastId) }], wanted, now)

/**
 * Why the table of a stream cannot follow a change that the log allows: a sentence without the stream. `history` has every
 * version, oldest first, and `lastId` is the last field id that the table has given.
 */
export const tableRefusal = Effect.fn("tableRefusal")(function* (
  history: ReadonlyArray<AppliedStream>,
  lastId: number,
  wanted: StreamDefinition
) {
  const applied = history.at(-1)
  if (applied === undefined) return undefined
  const conflicts = yield* (yield* TableEvolution).conflicts(versionAfter(history, applied, lastId, wanted, 0))
  return conflicts.length === 0
    ? undefined
    : `its table default.${wanted.name} cannot follow: ${conflicts.join("; ")}; declare a new optional column instead, or a new stream`
})

/**
 * Creates the stream, or changes it; returns the version in force. `wanted` must be a change that is possible. If this dies,
 * the same call completes it.
 */
export const applyStream = Effect.fn("applyStream")(function* (wanted: StreamDefinition, onProgress: OnProgress) {
  const { name } = wanted
  const failed = (reason: string) => new ChangeFailed({ stream: name, reason })
  let { begun, fault, history, lastId } = yield* current(name)
  if (begun?.isBinding) {
    yield* bringIn(begun.next, onProgress)
    ;({ fault, history, lastId } = yield* current(name))
  }
  if (fault !== undefined) return yield* failed(`${sentenceOf(name, { path: "", sentence: fault })}.`)
  const now = yield* Clock.currentTimeMillis
  const applied = history.at(-1)
  if (applied === undefined) {
    yield* bringIn(firstVersion(wanted, now), onProgress)
    return 1
  }
  const { changes, refusals } = compareStreams(history, wanted)
  const [refusal] = refusals
  if (refusal !== undefined) {
    return yield* failed(
      `An earlier change is complete now, and this one cannot follow it: ${sentenceOf(name, refusal)}.`
    )
  }
  if (changes.length === 0) return applied.version
  const next = versionAfter(history, applied, lastId, wanted, now)
  yield* bringIn(next, onProgress)
  return next.version
})
