/**
 * The one sink: brings the log of every applied stream into its table for as long as its layer lives.
 * Owns: which streams it takes up, and its own end. Does not own: one stream (StreamSink), the log (EventLogReader), the tables (TableWriter), requests (SinkControl).
 */
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { EventLogReader, LogCorrupt, LogUnavailable } from "../../services/EventLog.ts"
import { commitInterval, topic } from "../../services/Settings.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import type { TableUnavailable } from "../../services/TableWriter.ts"
import { weatherStream } from "../../services/Weather.ts"
import { limitHeapGrowth } from "../runtime/limitHeapGrowth.ts"
import * as RetryReporter from "../runtime/RetryReporter.ts"
import { TableWriters } from "../table/iceberg/TableWriter.ts"
import { folderInPlace, lockInPlace } from "./folderInPlace.ts"
import * as Requests from "./Requests.ts"
import { SinkControl } from "./SinkControl.ts"
import * as SinkFailures from "./SinkFailures.ts"
import { SinkStopped } from "./SinkStopped.ts"
import * as StreamSink from "./StreamSink.ts"

const finalCommitTimeout = "4 seconds"

const watchInterval = "1 second"
/** How soon a stream that was just applied is taken up. */
const streamsInterval = "500 millis"

interface Opened {
  readonly sink: StreamSink.StreamSink
  readonly scope: Scope.Closeable
  readonly fiber: Fiber.Fiber<void, SinkStopped>
}

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
   * When the layer closes, the sink commits what is staged. A stream that cannot go on is stopped alone, reported to other
   * programs, and tried again; the sink ends once no stream can go on.
   */
  static readonly layer = Layer.effect(
    Sink,
    Effect.gen(function* () {
      yield* limitHeapGrowth
      const control = yield* SinkControl
      const writers = yield* TableWriters
      const streams = yield* Streams
      const interval = yield* commitInterval
      const weatherTopic = yield* topic
      const services = yield* Effect.context<EventLogReader | DataFolder | Streams>()
      const scope = yield* Effect.scope
      const sinks = new Map<string, StreamSink.StreamSink>()
      const versions = new Map<string, number>()
      /** Of every stream whose table is open. */
      const open = new Map<string, Opened>()
      const failure = yield* Deferred.make<never, SinkStopped>()
      // Closed after the last commit, as it is made before that one's finalizer.
      const tables = yield* Scope.fork(scope)

      const tolerated = <A>(effect: Effect.Effect<A, { readonly message: string }>, otherwise: A) =>
        Effect.catch(effect, (error) =>
          Effect.as(Effect.logWarning(`${error.message} The sink continues without it.`), otherwise)
        )
      const paused = yield* tolerated(control.paused, false)
      const failures = yield* SinkFailures.make
      const requests = yield* Requests.make({
        find: (stream) => sinks.get(stream),
        reasonOf: failures.reasonOf,
        paused
      })

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

      const inPlace = Effect.andThen(yield* folderInPlace, yield* lockInPlace)
      /** The streams that were looked at; it is too early to judge before the first of them have all been. */
      const known = new Set<string>()
      let isJudging = false
      const failIfNoneWorks = Effect.suspend(() => {
        if (!isJudging) return Effect.void
        return [...known].every((stream) => failures.reasonOf(stream) !== undefined)
          ? Effect.fail(new SinkStopped({ reason: failures.sentence() }))
          : failures.log
      })
      const failed = Effect.fnUntraced(function* (stream: string, reason: string) {
        yield* inPlace
        const sink = sinks.get(stream)
        // What was staged before a fault in the log.
        if (sink !== undefined) yield* Effect.ignore(sink.loop.commitOnce)
        yield* failures.stopped(stream, reason)
        // From now on the stream may be opened again, so the commit comes before.
        sinks.delete(stream)
        yield* failIfNoneWorks
      })

      /** Opens the table and starts to read the stream's log. */
      const start = Effect.fnUntraced(function* (stream: AppliedStream) {
        const { name } = stream.definition
        const own = yield* Scope.fork(tables)
        const sink = yield* Effect.gen(function* () {
          const table = yield* Scope.provide(writers.open(stream), own)
          return yield* StreamSink.make({
            stream: name,
            topic: name === weather ? weatherTopic : name,
            interval,
            table,
            reports: {
              onRead: failures.resumed(name),
              onBroken: (message) => failures.unmaintained(name, message),
              onMaintained: failures.maintained(name)
            }
          }).pipe(Effect.provideContext(services))
        }).pipe(Effect.onError(() => Scope.close(own, Exit.void)))
        const wanted =
          name === weather ? control.paused : Effect.map(control.pausedStreams, (paused) => paused.includes(name))
        const isPaused = yield* tolerated(wanted, false)
        if (isPaused) {
          yield* sink.loop.pause
          yield* Effect.log(name === weather ? "still paused on request" : `${name}: still paused on request`)
        }
        sinks.set(name, sink)
        const fiber = yield* background(Effect.catch(sink.run, ({ message }) => failed(name, message)))
        open.set(name, { sink, scope: own, fiber })
      })

      /** Closes the table of a stream that failed; false while a request still uses it. */
      const close = Effect.fnUntraced(function* (name: string) {
        const before = open.get(name)
        if (before === undefined) return true
        const closed = yield* before.sink.ifUnused(Scope.close(before.scope, Exit.void))
        if (Option.isSome(closed)) open.delete(name)
        return Option.isSome(closed)
      })

      const takeUpOne = Effect.fnUntraced(function* (stream: AppliedStream) {
        const { name } = stream.definition
        known.add(name)
        const sink = sinks.get(name)
        if (sink === undefined) {
          if (!(yield* failures.isDue(name)) || !(yield* close(name))) return
          yield* start(stream)
        } else if ((versions.get(name) ?? stream.version) < stream.version) {
          // Usually done already, as the table comes first.
          yield* sink.evolve(stream)
        }
        versions.set(name, stream.version)
      })
      /** A stream whose table is unavailable, or broken, does not hold up the others. */
      const takeUp = Effect.gen(function* () {
        const unavailable: Array<TableUnavailable> = []
        const takeUpEach = (stream: AppliedStream) =>
          Effect.catchTags(takeUpOne(stream), {
            TableUnavailable: (error) => Effect.sync(() => void unavailable.push(error)),
            TableBroken: Effect.fnUntraced(function* ({ message }) {
              const { name } = stream.definition
              // The table cannot get its new columns, although its loop may not have noticed yet.
              const before = open.get(name)
              if (before !== undefined) yield* Fiber.interrupt(before.fiber)
              yield* failed(name, message)
            })
          })
        // Weather needs no log to be known.
        yield* takeUpEach(weatherStream)
        const others = (yield* streams.all).filter(({ definition: { name } }) => name !== weather)
        yield* Effect.forEach(others, takeUpEach, { discard: true })
        if (unavailable[0] !== undefined) return yield* unavailable[0]
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

      yield* background(Effect.forever(Effect.andThen(inPlace, Effect.sleep(watchInterval))))
      yield* background(requests.heartbeat)
      yield* background(requests.poll)
      // Before the layer is ready, so that an orderly end right after the start commits every stream.
      yield* Effect.uninterruptible(takeUpAll)
      isJudging = true
      yield* failIfNoneWorks.pipe(Effect.tapError(({ message }) => requests.failed(message)))
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
