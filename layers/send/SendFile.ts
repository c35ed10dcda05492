/**
 * Sends a file to the logging server in batches, each under a key that is made from the file up to the batch's end. The
 * state is written before a batch is sent: whoever dies later sends that batch again under the same key.
 */
import { hash, randomUUID } from "node:crypto"
import { appendFile, realpath, rm, stat, truncate } from "node:fs/promises"
import { Clock, Effect, Option, Schedule, Schema, Stream } from "effect"
import { LogClient, type ServerUnavailable } from "../../services/LogClient.ts"
import { type Batch, batches, type Checkpoint, FileUnreadable, type Numbered } from "./Batches.ts"
import type { Format, Refused } from "./Records.ts"
import * as State from "./State.ts"

/** Less than the 24 hours for which a server knows a key, and a margin for its clock. */
const keyMillis = 23 * 60 * 60 * 1000
const patience = "15 seconds"

export interface SendOptions {
  readonly path: string
  readonly format: Format
  readonly target: string
  /** Send all of it once more. */
  readonly again: boolean
  /** What to do with a batch of which nobody knows any more whether it was logged. */
  readonly doubtful: "send" | "skip" | undefined
  readonly progress: (sent: Sent) => Effect.Effect<void>
}

export interface Sent {
  /** Records that the server has acknowledged in this run, and how many of them it had logged before. */
  readonly acknowledged: number
  readonly repeated: number
  /** Of all runs for this file. */
  readonly logged: number
  readonly refused: number
  readonly bytes: number
  readonly ofBytes: number
}

class Doubtful extends Schema.TaggedError<Doubtful>()("Doubtful", {
  path: Schema.String,
  from: Schema.Int,
  end: Schema.Int
}) {
  override get message() {
    return `Sending ${this.path} was broken off more than 23 hours ago, and whether its bytes ${this.from} to ${this.end} were logged then can no longer be asked of the server. Look whether they are in the log (floe tail --from …), then go on with --doubtful skip if they are, or --doubtful send if not.`
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

export const reportOf = (path: string) => `${path}.refused.ndjson`

const file = <A>(path: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new FileUnreadable({ path, reason: cause instanceof Error ? cause.message : String(cause) })
  })

const shorten = async (path: string, bytes: number) => {
  if ((await stat(path)).size > bytes) await truncate(path, bytes)
}

/** The index of a refused record, and why. */
const indexed = /^\[(\d+)\](?:\.(.*))?$/s

/** Takes the readings away that the server names; undefined if it names none. */
const without = (
  readings: ReadonlyArray<Numbered>,
  errors: ReadonlyArray<{ readonly field: string; readonly message: string }>
) => {
  const reasons = new Map<number, string>()
  for (const { field, message } of errors) {
    const match = indexed.exec(field)
    if (match !== null) reasons.set(Number(match[1]), `${match[2] ?? "it"} ${message}`)
  }
  if (reasons.size === 0) return undefined
  const refused = readings.flatMap(({ line, reading }, i): ReadonlyArray<Refused> => {
    const reason = reasons.get(i)
    return reason === undefined ? [] : [{ line, reason, text: JSON.stringify(reading) }]
  })
  return { rest: readings.filter((_, i) => !reasons.has(i)), refused }
}

/** Beginning anew, or going on from what an earlier run has noted. */
const start = Effect.fnUntraced(function* (path: string, { target, again, doubtful }: SendOptions) {
  const fresh: State.SendState = {
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
  const noted = again ? Option.none() : yield* State.read(path)
  if (Option.isNone(noted)) return { state: fresh, checkpoint: undefined }
  const state = noted.value
  if (state.target !== target) return yield* new OtherTarget({ path, target: state.target })
  const isDoubtful = !state.acknowledged && (yield* Clock.currentTimeMillis) - state.at > keyMillis
  if (isDoubtful && doubtful === undefined) return yield* new Doubtful({ path, from: state.from, end: state.end })
  const { from, end, digest } = state
  const done = state.acknowledged || (isDoubtful && doubtful === "skip")
  return { state, checkpoint: { from, end, digest, done } satisfies Checkpoint }
})

export const sendFile = Effect.fn("SendFile.sendFile")(function* (options: SendOptions) {
  const client = yield* LogClient
  const path = yield* file(options.path, () => realpath(options.path)).pipe(
    Effect.mapError(() => new FileUnreadable({ path: options.path, reason: "there is no such file" }))
  )
  const { size } = yield* file(path, () => stat(path))
  const { state, checkpoint } = yield* start(path, options)
  const report = reportOf(path)
  // What was reported of a batch that is sent again is reported again.
  if (state.reportBytes === 0) yield* file(report, () => rm(report, { force: true }))
  else yield* Effect.ignore(file(report, () => shorten(report, state.reportBytes)))

  let { logged, refused, reportBytes } = state
  let acknowledged = 0
  let repeated = 0

  const keyOf = ({ from, digest }: Batch) =>
    `floe-send-${hash("sha256", `${state.round}\n${path}\n${from}\n${digest}`).slice(0, 40)}`

  const send = (readings: ReadonlyArray<Numbered>, key: string) =>
    client
      .sendAll(
        readings.map(({ reading }) => reading),
        key
      )
      .pipe(
        Effect.retry({
          schedule: Schedule.exponential("100 millis").pipe(Schedule.jittered, Schedule.upTo({ duration: patience })),
          while: (error): error is ServerUnavailable => error._tag === "ServerUnavailable"
        })
      )

  /** Records that were refused by the server are left out, and the rest sent. */
  const deliver = Effect.fnUntraced(function* (batch: Batch) {
    const all = [...batch.refused]
    let readings = batch.readings
    while (readings.length > 0) {
      const answer = yield* send(readings, keyOf(batch)).pipe(
        Effect.asSome,
        Effect.catchTag("ReadingRefused", (error) => {
          const left = error.status === 400 ? without(readings, error.errors) : undefined
          if (left === undefined) return Effect.fail(error)
          readings = left.rest
          all.push(...left.refused)
          return Effect.succeedNone
        })
      )
      if (Option.isNone(answer)) continue
      acknowledged += readings.length
      logged += readings.length
      if (answer.value.repeated) repeated += readings.length
      break
    }
    if (all.length === 0) return
    const lines = all.toSorted((a, b) => a.line - b.line).map((one) => `${JSON.stringify(one)}\n`)
    const text = Buffer.from(lines.join(""))
    yield* file(report, () => appendFile(report, text))
    refused += all.length
    reportBytes += text.length
  })

  const note = Effect.fnUntraced(function* ({ from, end, digest }: Batch, isAcknowledged: boolean) {
    const { format, target, round } = state
    const at = yield* Clock.currentTimeMillis
    const counts = { logged, refused, reportBytes }
    yield* State.write(path, { format, target, round, from, end, digest, acknowledged: isAcknowledged, at, ...counts })
  })

  const sent = (bytes: number): Sent => ({ acknowledged, repeated, logged, refused, bytes, ofBytes: size })
  let last: Batch | undefined
  yield* Stream.runForEach(
    batches(path, options.format, checkpoint),
    Effect.fnUntraced(function* (batch) {
      yield* note(batch, false)
      yield* deliver(batch)
      last = batch
      yield* options.progress(sent(batch.end))
    })
  )
  if (last !== undefined) yield* note(last, true)
  else if (checkpoint?.done && !state.acknowledged) yield* State.write(path, { ...state, acknowledged: true })
  return sent(size)
})
