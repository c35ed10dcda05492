/** What a sending remembers, so that it can go on where it was broken off: for a file beside it, for what is read once nothing. */
import { randomUUID } from "node:crypto"
import { existsSync, rmSync } from "node:fs"
import { appendFile, rm, stat, truncate } from "node:fs/promises"
import { Clock, Effect, Option, Schema } from "effect"
import { acquire } from "../../runtime/ProcessLock.ts"
import type { Batch, Checkpoint } from "./batches.ts"
import type { Refused } from "./records.ts"
import * as SendState from "./SendState.ts"
import { FileUnreadable, reasonOf } from "./Source.ts"

/** Less than the 24 hours for which a server knows a key, and a margin for its clock. */
const keyMillis = 23 * 60 * 60 * 1000
const marginMillis = 60 * 60 * 1000

export interface JournalOptions {
  readonly target: string
  /** Send all of it once more. */
  readonly again: boolean
  /** What to do with a batch that may have been logged, when the server can no longer tell. */
  readonly doubtful: "send" | "skip" | undefined
}

interface Counts {
  readonly logged: number
  readonly refused: number
}

/** Fails where something can no longer be remembered. */
interface Journal {
  /** Part of every key. */
  readonly round: string
  readonly checkpoint: Checkpoint | undefined
  readonly before: Counts
  readonly note: (
    batch: Batch,
    counts: Counts,
    acknowledged: boolean
  ) => Effect.Effect<void, SendState.StateUnusable | FileUnreadable>
  readonly report: (refused: ReadonlyArray<Refused>) => Effect.Effect<void, FileUnreadable>
  /** A batch that was not sent again counts as acknowledged from now on. */
  readonly skipped: Effect.Effect<void, SendState.StateUnusable>
}

class DeliveryUnknown extends Schema.TaggedError<DeliveryUnknown>()("DeliveryUnknown", {
  path: Schema.String,
  from: Schema.Int,
  end: Schema.Int
}) {
  override get message() {
    return `Sending ${this.path} was broken off more than 23 hours ago, or the clock was set back since, and whether its bytes ${this.from} to ${this.end} were logged then can no longer be asked of the server. Look whether they are in the log (floe tail --from …), then go on with --doubtful skip if they are, or --doubtful send if not.`
  }
}

class OtherTarget extends Schema.TaggedError<OtherTarget>()("OtherTarget", {
  path: Schema.String,
  target: Schema.String
}) {
  override get message() {
    return `${this.path} was sent to ${this.target} before; set FLOE_DATA or FLOE_TARGET to that, or send all of it here with --again.`
  }
}

class SendingAlready extends Schema.TaggedError<SendingAlready>()("SendingAlready", { path: Schema.String }) {
  override get message() {
    return `Another floe send is sending ${this.path} right now; wait until it has ended.`
  }
}

export const reportOf = (path: string) => `${path}.refused.ndjson`

const file = <A>(path: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new FileUnreadable({ path, reason: reasonOf(cause) }) })

const shorten = async (path: string, bytes: number) => {
  if ((await stat(path)).size > bytes) await truncate(path, bytes)
}

/** For as long as the scope lasts nobody else sends the file. */
const alone = Effect.fnUntraced(function* (path: string) {
  const lock = `${path}.floe-send.lock`
  yield* acquire(lock, "floe send").pipe(
    Effect.mapError((error) =>
      error._tag === "LockHeld"
        ? new SendingAlready({ path })
        : new FileUnreadable({
            path,
            reason: "how far it was sent is noted beside it, and its folder cannot be written to; use --file - instead"
          })
    )
  )
  // Its holder has just removed it.
  if (!existsSync(lock)) return yield* new SendingAlready({ path })
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(lock, { force: true })))
})

/** Starts at the beginning, or continues where an earlier run stopped. */
const start = Effect.fnUntraced(function* (path: string, { target, again, doubtful }: JournalOptions) {
  const fresh: SendState.SendState = {
    format: 1,
    target,
    round: again ? randomUUID() : "",
    from: 0,
    end: 0,
    digest: "",
    acknowledged: true,
    at: 0,
    logged: 0,
    refused: 0,
    reportBytes: 0
  }
  const noted = again ? Option.none() : yield* SendState.read(path)
  if (Option.isNone(noted)) return { state: fresh, checkpoint: undefined }
  const state = noted.value
  if (state.target !== target) return yield* new OtherTarget({ path, target: state.target })
  const age = (yield* Clock.currentTimeMillis) - state.at
  // Of the future: the clock was set back, and nothing tells how long ago it was.
  const isDoubtful = !state.acknowledged && (age > keyMillis || age < -marginMillis)
  if (isDoubtful && doubtful === undefined)
    return yield* new DeliveryUnknown({ path, from: state.from, end: state.end })
  const { from, end, digest } = state
  const done = state.acknowledged || (isDoubtful && doubtful === "skip")
  return { state, checkpoint: { from, end, digest, done } satisfies Checkpoint }
})

/** Beside a file. */
export const beside = Effect.fnUntraced(function* (path: string, options: JournalOptions) {
  yield* alone(path)
  const { state, checkpoint } = yield* start(path, options)
  const report = reportOf(path)
  // What was reported of a batch that is sent again is reported again.
  if (state.reportBytes === 0) yield* file(report, () => rm(report, { force: true }))
  else yield* Effect.ignore(file(report, () => shorten(report, state.reportBytes)))
  let { reportBytes } = state

  return {
    round: `${state.round}\n${path}`,
    checkpoint,
    before: { logged: state.logged, refused: state.refused },
    note: Effect.fnUntraced(function* ({ from, end, digest }, { logged, refused }, acknowledged) {
      const { format, target, round } = state
      const at = yield* Clock.currentTimeMillis
      const counts = { logged, refused, reportBytes }
      yield* SendState.write(path, { format, target, round, from, end, digest, acknowledged, at, ...counts })
    }),
    report: Effect.fnUntraced(function* (refused) {
      const text = Buffer.from(refused.map((one) => `${JSON.stringify(one)}\n`).join(""))
      yield* file(report, () => appendFile(report, text))
      reportBytes += text.length
    }),
    skipped: Effect.suspend(() =>
      checkpoint?.done && !state.acknowledged ? SendState.write(path, { ...state, acknowledged: true }) : Effect.void
    )
  } satisfies Journal
})

/** For what is read once. */
export const none = (report: Journal["report"]): Journal => ({
  round: randomUUID(),
  checkpoint: undefined,
  before: { logged: 0, refused: 0 },
  note: () => Effect.void,
  report,
  skipped: Effect.void
})
