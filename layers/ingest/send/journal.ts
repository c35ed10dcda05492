/** Records how far a file was sent, so that sending can resume. A stream that is read once has no journal. */
import { existsSync, rmSync } from "node:fs"
import { appendFile, rm, stat, truncate } from "node:fs/promises"
import { Clock, Effect, Option, Schema } from "effect"
import { SecureRandom } from "effect/crypto/SecureRandom"
import { acquire } from "../../runtime/ProcessLock.ts"
import type { Batch, Checkpoint } from "./batches.ts"
import type { Rejected } from "./records.ts"
import * as SendState from "./SendState.ts"
import { FileUnreadable, reasonOf } from "./Source.ts"

/** Less than the 24 hours that a server keeps a key, with a margin for its clock. */
const keyMillis = 23 * 60 * 60 * 1000
const marginMillis = 60 * 60 * 1000

export interface JournalOptions {
  readonly target: string
  /** Send the whole file again. */
  readonly again: boolean
  /** What to do with a batch whose outcome is unknown and whose key has expired. */
  readonly doubtful: "send" | "skip" | undefined
}

interface Counts {
  readonly logged: number
  readonly rejected: number
}

interface Journal {
  /** Part of every key. */
  readonly round: string
  readonly checkpoint: Checkpoint | undefined
  readonly before: Counts
  readonly record: (
    batch: Pick<Batch<unknown>, "from" | "end" | "digest">,
    counts: Counts,
    acknowledged: boolean
  ) => Effect.Effect<void, SendState.StateUnusable | FileUnreadable>
  readonly report: (rejected: ReadonlyArray<Rejected>) => Effect.Effect<void, FileUnreadable>
  /** Marks a skipped batch as acknowledged. */
  readonly skipped: Effect.Effect<void, SendState.StateUnusable>
}

class DeliveryUnknown extends Schema.TaggedError<DeliveryUnknown>()("DeliveryUnknown", {
  path: Schema.String,
  from: Schema.Int,
  end: Schema.Int
}) {
  override get message() {
    return `Sending ${this.path} stopped more than 23 hours ago, or the clock was set back since, so the server can no longer tell whether bytes ${this.from} to ${this.end} were logged. Check whether they are in the log (floe tail --from …), then continue with --doubtful skip if they are, or --doubtful send if not.`
  }
}

class OtherTarget extends Schema.TaggedError<OtherTarget>()("OtherTarget", {
  path: Schema.String,
  target: Schema.String
}) {
  override get message() {
    return `${this.path} was sent to ${this.target} before; set FLOE_DATA or FLOE_TARGET to that server, or send the whole file here with --again.`
  }
}

class SendingAlready extends Schema.TaggedError<SendingAlready>()("SendingAlready", { path: Schema.String }) {
  override get message() {
    return `Another floe send is already sending ${this.path}; wait until it has finished.`
  }
}

export const reportOf = (path: string) => `${path}.refused.ndjson`

const file = <A>(path: string, run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => new FileUnreadable({ path, reason: reasonOf(cause) }) })

const shorten = async (path: string, bytes: number) => {
  if ((await stat(path)).size > bytes) await truncate(path, bytes)
}

const lockFile = Effect.fnUntraced(function* (path: string) {
  const lock = `${path}.floe-send.lock`
  yield* acquire(lock, "floe send").pipe(
    Effect.mapError((error) =>
      error._tag === "LockHeld"
        ? new SendingAlready({ path })
        : new FileUnreadable({
            path,
            reason:
              "floe send records its progress in a file beside it, but the folder is not writable; use --file - instead"
          })
    )
  )
  // The holder has just removed the lock file.
  if (!existsSync(lock)) return yield* new SendingAlready({ path })
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(lock, { force: true })))
})

const start = Effect.fnUntraced(function* (path: string, { target, again, doubtful }: JournalOptions) {
  const fresh: SendState.SendState = {
    format: 1,
    target,
    round: again ? yield* (yield* SecureRandom).uuidV4() : "",
    from: 0,
    end: 0,
    digest: "",
    acknowledged: true,
    at: 0,
    logged: 0,
    rejected: 0,
    reportBytes: 0
  }
  const recorded = again ? Option.none() : yield* SendState.read(path)
  if (Option.isNone(recorded)) return { state: fresh, checkpoint: undefined }
  const state = recorded.value
  if (state.target !== target) return yield* new OtherTarget({ path, target: state.target })
  const age = (yield* Clock.currentTimeMillis) - state.at
  // A time in the future: the clock was set back, so the age is unknown.
  const isDoubtful = !state.acknowledged && (age > keyMillis || age < -marginMillis)
  if (isDoubtful && doubtful === undefined)
    return yield* new DeliveryUnknown({ path, from: state.from, end: state.end })
  const { from, end, digest } = state
  const done = state.acknowledged || (isDoubtful && doubtful === "skip")
  return { state, checkpoint: { from, end, digest, done } satisfies Checkpoint }
})

/** For a file; the journal is kept beside it. */
export const beside = Effect.fnUntraced(function* (path: string, options: JournalOptions) {
  yield* lockFile(path)
  const { state, checkpoint } = yield* start(path, options)
  const report = reportOf(path)
  if (state.reportBytes === 0) yield* file(report, () => rm(report, { force: true }))
  else yield* Effect.ignore(file(report, () => shorten(report, state.reportBytes)))
  let { reportBytes } = state

  return {
    round: `${state.round}\n${path}`,
    checkpoint,
    before: { logged: state.logged, rejected: state.rejected },
    record: Effect.fnUntraced(function* ({ from, end, digest }, { logged, rejected }, acknowledged) {
      const { format, target, round } = state
      const at = yield* Clock.currentTimeMillis
      const counts = { logged, rejected, reportBytes }
      yield* SendState.write(path, { format, target, round, from, end, digest, acknowledged, at, ...counts })
    }),
    report: Effect.fnUntraced(function* (rejected) {
      const text = Buffer.from(rejected.map((one) => `${JSON.stringify(one)}\n`).join(""))
      yield* file(report, () => appendFile(report, text))
      reportBytes += text.length
    }),
    skipped: Effect.suspend(() =>
      checkpoint?.done && !state.acknowledged ? SendState.write(path, { ...state, acknowledged: true }) : Effect.void
    )
  } satisfies Journal
})

/** For a stream that is read once. */
export const none = Effect.fnUntraced(function* (report: Journal["report"]) {
  return {
    round: yield* (yield* SecureRandom).uuidV4(),
    checkpoint: undefined,
    before: { logged: 0, rejected: 0 },
    record: () => Effect.void,
    report,
    skipped: Effect.void
  } satisfies Journal
})
