/** Runs processors again in a process of their own, as user code has one. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Effect, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import * as Declaration from "../declaration/Declaration.ts"
import { type Culprit, ended, start, takeCulprit, takeHung } from "./workerProcess.ts"
import { ReplayMessage, type ReplayRequest } from "./workerProtocol.ts"

/** A processor could not be run again. */
export class ReplayFailed extends Schema.TaggedError<ReplayFailed>()("ReplayFailed", {
  /** A sentence. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** Receives how many events of the input of a processor have been processed. */
export type OnReplayed = (processor: string, events: number) => Effect.Effect<void>

const decode = Schema.decodeUnknownOption(ReplayMessage)
const everyMillis = 250

/** The module; undefined without one. */
const moduleFile = Effect.gen(function* () {
  const file = Option.getOrUndefined(yield* Declaration.find)
  if (file === undefined) return ""
  if (!Declaration.isCompiled(file)) return resolve(file)
  return yield* new ReplayFailed({
    reason: `${file} has no functions of processors; set FLOE_STREAMS to the module.`
  })
}).pipe(
  Effect.catchTag(["ConfigError", "DeclarationInvalid"], ({ message }) =>
    Effect.fail(new ReplayFailed({ reason: message }))
  )
)

const culpritReason = (culprit: Culprit | undefined) =>
  culprit === undefined
    ? undefined
    : `The processor ${culprit.processor} was at work, at ${culprit.at} or soon after, when its functions ended the process that ran it again (${culprit.how}). Correct it and try again.`

export const replayInProcess = Effect.fn("Processors.replay")(function* (
  request: ReplayRequest,
  onProgress: OnReplayed
) {
  const { root } = yield* DataFolder
  const file = yield* moduleFile
  const onKafka = request.partitions !== undefined
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => start({ onKafka, root, withBuiltIn: true, file, stopped: {}, replay: request })),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  let processed = { processor: request.names[0] ?? "", events: 0 }
  let failure: string | undefined
  child.on("message", (value) => {
    const message = Option.getOrUndefined(decode(value))
    if (message?._tag === "Progress") processed = message
    if (message?._tag === "Failed") failure = message.message
  })
  const reporting = Effect.suspend(() => onProgress(processed.processor, processed.events)).pipe(
    Effect.andThen(Effect.sleep(everyMillis)),
    Effect.forever
  )
  const outcome = yield* Effect.raceFirst(ended(child), reporting)
  if (outcome === 0) return
  const reason = failure ?? takeHung(request.into)?.reason ?? culpritReason(takeCulprit(request.into, outcome))
  return yield* new ReplayFailed({
    reason: reason ?? `The process that ran the processors again ended (${outcome}); its output names the reason.`
  })
}, Effect.scoped)

/** A folder for files that only this program needs; removed when the scope closes. TMPDIR chooses where. */
export const temporaryPlace = Effect.gen(function* () {
  const folder = yield* DataFolder
  const processors = yield* Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(join(tmpdir(), "floe-replay-")),
      catch: (cause) => new ReplayFailed({ reason: `A temporary folder cannot be made: ${String(cause)}.` })
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  return DataFolder.of({ ...folder, processors })
})
