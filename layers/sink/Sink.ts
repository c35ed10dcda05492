/**
 * The one sink: brings the log of every applied stream into its table for as long as its layer lives.
 * Owns: which streams it takes up, and its own end. Does not own: one stream (StreamSink), the log (EventLogReader), the tables (TableWriter), requests (SinkControl).
 */
import { Cause, Context, Deferred, Effect, Fiber, Layer, Option, Scope } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { EventLogReader, LogCorrupt, LogUnavailable } from "../../services/EventLog.ts"
import { commitInterval, topic } from "../../services/Settings.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import { type TableUnavailable, TableWriter } from "../../services/TableWriter.ts"
import * as RetryReporter from "../runtime/RetryReporter.ts"
import { TableWriters } from "../table/iceberg/TableWriter.ts"
import { folderInPlace, lockInPlace } from "./folderInPlace.ts"
import { limitHeapGrowth } from "./limitHeapGrowth.ts"
import * as Requests from "./Requests.ts"
import { SinkControl } from "./SinkControl.ts"
import { SinkStopped } from "./SinkStopped.ts"
import * as StreamSink from "./StreamSink.ts"

const finalCommitTimeout = "4 seconds"

const watchInterval = "1 second"
/** How soon a stream that was just applied is taken up. */
const streamsInterval = "500 millis"

export class Sink extends Context.Service<
  Sink,
  {
    /** Waits while the sink works, and fails when it stops; a program that runs a sink ends with it. */
    readonly failure: Effect.Effect<never, SinkStopped>
    /** Waits until what the log of each stream has now is committed or staged. */
    readonly drained: Effect.Effect<void, LogUnavailable | LogCorrupt>
  }
>()("floe/layers/sink/Sink") {
  /**
   * When the layer closes, the sink commits what is staged. A stream that cannot go on stops the whole sink, as a sink that
   * runs on without one of its tables would look healthy; the sentence names the stream, and the log keeps the events of all.
   */
  static readonly layer = Layer.effect(
    Sink,
    Effect.gen(function* () {
      yield* limitHeapGrowth
      const control = yield* SinkControl
      const writers = yield* TableWriters
      const streams = yield* Streams
      const interval = yield* commitInterval
      const services = yield* Effect.context<EventLogReader | DataFolder | Streams>()
      const scope = yield* Effect.scope
      const sinks = new Map<string, StreamSink.StreamSink>()
      const versions = new Map<string, number>()
      const failure = yield* Deferred.make<never, SinkStopped>()
      // Closed after the last commit, as it is made before that one's finalizer.
      const tables = yield* Scope.fork(scope)

      const tolerated = <A>(effect: Effect.Effect<A, { readonly message: string }>, otherwise: A) =>
        Effect.catch(effect, (error) =>
          Effect.as(Effect.logWarning(`${error.message} The sink continues without it.`), otherwise)
        )
      const paused = yield* tolerated(control.paused, false)
      const pausedStreams = yield* tolerated(control.pausedStreams, [])

      const add = Effect.fnUntraced(function* (options: StreamSink.StreamSinkOptions, isPaused: boolean) {
        const sink = yield* Effect.provideContext(StreamSink.make(options), services)
        sinks.set(sink.stream, sink)
        if (!isPaused) return sink
        yield* sink.loop.pause
        yield* Effect.log(
          sink.stream === weather ? "still paused on request" : `${sink.stream}: still paused on request`
        )
        return sink
      })
      const first = yield* add({ stream: weather, topic: yield* topic, interval, table: yield* TableWriter }, paused)
      const requests = yield* Requests.make({ find: (stream) => sinks.get(stream), paused })

      // Finalizers run last to first, so the fibers below have ended when this one commits what they staged.
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          const commits = Effect.forEach(sinks.values(), ({ loop }) => Effect.ignore(loop.commitOnce), {
            concurrency: "unbounded",
            discard: true
          })
          const last = yield* Effect.forkDetach(commits)
          const ended = yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(last)), finalCommitTimeout)
          if (Option.isNone(ended))
            yield* Effect.logWarning("The last commit did not finish; its rows are still in the log.")
          yield* requests.stopped
        })
      )

      const stop = (cause: Cause.Cause<SinkStopped>) => {
        const error = Cause.squash(cause)
        const message = error instanceof Error ? error.message : String(error)
        return Effect.andThen(requests.failed(message), Deferred.failCause(failure, cause))
      }
      const background = <A>(effect: Effect.Effect<A, SinkStopped>) =>
        effect.pipe(
          Effect.onError((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : stop(cause))),
          Effect.forkIn(scope)
        )
      const start = (sink: StreamSink.StreamSink) => Effect.forEach(sink.run, background, { discard: true })

      const takeUpOne = Effect.fnUntraced(
        function* (stream: AppliedStream) {
          const { name } = stream.definition
          const sink = sinks.get(name)
          if (sink === undefined) {
            const table = yield* Scope.provide(writers.open(stream), tables)
            yield* start(yield* add({ stream: name, topic: name, interval, table }, pausedStreams.includes(name)))
          } else if ((versions.get(name) ?? stream.version) < stream.version) {
            // Usually done already, as the table comes first.
            yield* sink.evolve(stream)
          }
          versions.set(name, stream.version)
        },
        (effect, { definition: { name } }) =>
          Effect.catchTag(effect, "TableBroken", ({ message }) =>
            Effect.fail(new SinkStopped({ reason: `The stream ${name}: ${message}` }))
          )
      )
      /** A stream whose table is unavailable does not hold up the others. */
      const takeUp = Effect.gen(function* () {
        const failures: Array<TableUnavailable> = []
        const keep = (error: TableUnavailable) => Effect.sync(() => void failures.push(error))
        const takeUpEach = (stream: AppliedStream) => Effect.catchTag(takeUpOne(stream), "TableUnavailable", keep)
        yield* Effect.forEach(yield* streams.all, takeUpEach, { discard: true })
        if (failures[0] !== undefined) return yield* failures[0]
      })
      const retries = RetryReporter.make("The streams can be read again.")
      const takeUpAll = Effect.andThen(takeUp, retries.recovered).pipe(
        Effect.catchTags({
          LogUnavailable: retries.wait,
          TableUnavailable: retries.wait,
          // Whatever reads the log finds it too, and where.
          LogCorrupt: () => Effect.void
        })
      )

      const inPlace = Effect.andThen(yield* folderInPlace, yield* lockInPlace)
      yield* background(Effect.forever(Effect.andThen(inPlace, Effect.sleep(watchInterval))))
      yield* background(requests.heartbeat)
      yield* background(requests.poll)
      yield* start(first)
      // Before the layer is ready, so that an orderly end right after the start commits every stream.
      yield* Effect.uninterruptible(takeUpAll)
      yield* background(
        Effect.forever(Effect.andThen(Effect.sleep(streamsInterval), Effect.uninterruptible(takeUpAll)))
      )

      return Sink.of({
        failure: Deferred.await(failure),
        drained: Effect.suspend(() =>
          Effect.forEach([...sinks.values()], ({ drained }) => drained, { concurrency: "unbounded", discard: true })
        )
      })
    })
  )
}
