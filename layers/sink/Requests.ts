/** Carries out requests of other programs to the sink, and reports the sink's status to them. */
import { Effect, Option, Schedule, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { AppliedStream } from "../../services/StreamDefinition.ts"
import { weather } from "../../services/TableReader.ts"
import { plural } from "../runtime/plural.ts"
import * as Promote from "./promote.ts"
import {
  type ControlUnavailable,
  evolveCommand,
  promoteCommand,
  SinkControl,
  type SinkRequest,
  type SinkStatus
} from "./SinkControl.ts"
import { folderOf, type StreamSink } from "./StreamSink.ts"

const decodeStream = Schema.decodeUnknownEffect(Schema.fromJsonString(AppliedStream))

const pollInterval = "250 millis"
const heartbeatInterval = "1 second"

export interface RequestsOptions {
  /** The sink of a stream. */
  readonly find: (stream: string) => StreamSink | undefined
  /** Why the sink cannot write a stream; undefined if it can. */
  readonly reasonOf: (stream: string) => string | undefined
  /** Whether weather starts paused. */
  readonly paused: boolean
}

const tolerating = () => {
  let warned = false
  return <A>(effect: Effect.Effect<A, ControlUnavailable>) =>
    effect.pipe(
      Effect.tap(
        Effect.sync(() => {
          warned = false
        })
      ),
      Effect.asSome,
      Effect.catch((error) => {
        const warning = warned ? Effect.void : Effect.logWarning(`${error.message} The sink continues without it.`)
        warned = true
        return Effect.as(warning, Option.none<A>())
      })
    )
}

export const make = Effect.fnUntraced(function* ({ find, paused, reasonOf }: RequestsOptions) {
  const control = yield* SinkControl
  const folder = yield* DataFolder
  const services = yield* Effect.context<DataFolder | Leases>()
  let state: SinkStatus["state"] = paused ? "paused" : "running"
  let reason: string | undefined
  const [reporting, asking, marking] = [tolerating(), tolerating(), tolerating()]

  const report = Effect.suspend(() => reporting(control.report(state, reason)))

  const setState = (next: "running" | "paused", message: string) =>
    Effect.suspend(() => {
      if (state === next) return Effect.void
      state = next
      return Effect.andThen(report, Effect.log(message))
    })

  type Work = Effect.Effect<string, { readonly message: string }>
  /** The sink's own state is that of weather. */
  const changed = (stream: string, next: "running" | "paused", message: string) =>
    stream === weather ? setState(next, message) : Effect.log(`${stream}: ${message}`)
  const pause = ({ loop, stream }: StreamSink): Work =>
    Effect.gen(function* () {
      yield* control.setPaused(true, stream)
      yield* loop.pause
      const rows = yield* loop.commit
      yield* changed(stream, "paused", "paused on request")
      return `Paused at offset ${yield* loop.offset}, after committing ${plural(rows, "row")}.`
    })
  const resume = ({ loop, stream }: StreamSink): Work =>
    Effect.gen(function* () {
      yield* control.setPaused(false, stream)
      yield* loop.resume
      yield* changed(stream, "running", "resumed on request")
      return `Resumed at offset ${yield* loop.offset}.`
    })
  const inFolderOf =
    (stream: string) =>
    <A, E>(effect: Effect.Effect<A, E, DataFolder | Leases>) =>
      Effect.provideService(effect, DataFolder, folderOf(folder, stream)).pipe(Effect.provide(services))
  const missing = (stream: string) => {
    const reason = reasonOf(stream)
    const failed = `The sink cannot write the stream ${stream} at the moment. ${reason}`
    return { message: reason === undefined ? `The sink does not write the stream ${stream}.` : failed }
  }
  const workOf = ({ argument, command, stream = weather }: SinkRequest, sink: StreamSink): Work => {
    switch (command) {
      case "pause":
        return pause(sink)
      case "resume":
        return resume(sink)
      case "maintain":
        return sink.upkeep.now
      case evolveCommand:
        return Effect.as(Effect.flatMap(decodeStream(argument), sink.evolve), "Done.")
      case promoteCommand:
        return inFolderOf(stream)(Promote.promote(sink.loop.promote, argument ?? "", stream))
    }
  }

  const carryOut = Effect.fn("Sink.carryOut")(function* (request: SinkRequest) {
    const { argument, command, id } = request
    const heartbeat = marking(control.mark(id, "running")).pipe(
      Effect.andThen(Effect.sleep(heartbeatInterval)),
      Effect.forever
    )
    const failIfStopped = Effect.suspend(() => (reason === undefined ? Effect.void : Effect.fail({ message: reason })))
    const work = Effect.suspend(() => {
      const { stream = weather } = request
      const sink = find(stream)
      return sink === undefined ? Effect.fail(missing(stream)) : sink.using(workOf(request, sink))
    })
    yield* failIfStopped.pipe(
      Effect.andThen(work),
      Effect.raceFirst(heartbeat),
      Effect.matchEffect({
        onSuccess: (outcome) =>
          Effect.andThen(
            marking(control.mark(id, "done", outcome)),
            command === promoteCommand ? Effect.provide(Promote.clear(argument ?? ""), services) : Effect.void
          ),
        onFailure: (error) => marking(control.mark(id, "failed", error.message))
      })
    )
  })

  return {
    heartbeat: report.pipe(Effect.repeat(Schedule.spaced(heartbeatInterval)), Effect.asVoid),
    // Waits after a request too: one that cannot be marked as done would come again at once.
    poll: asking(control.next).pipe(
      Effect.map(Option.flatten),
      Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: carryOut })),
      Effect.andThen(Effect.sleep(pollInterval)),
      Effect.forever
    ),
    failed: (message: string) =>
      Effect.suspend(() => {
        state = "failed"
        reason = message
        return report
      }),
    stopped: Effect.suspend(() => {
      if (state === "failed") return Effect.void
      state = "stopped"
      return Effect.asVoid(report)
    })
  }
})
