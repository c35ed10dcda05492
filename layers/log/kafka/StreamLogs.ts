/**
 * The logs of all streams that clients write, but weather. They share a number of keys in memory. Each is opened when the server
 * starts, or with the first append of a stream that is new.
 */
import { Deferred, Effect, Exit, Schedule, Scope } from "effect"
import { type EventLog, LogUnavailable } from "../../../services/EventLog.ts"
import { keysMax } from "../../../services/Settings.ts"
import { Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { Admin } from "./Admin.ts"
import * as BatchProducer from "./BatchProducer.ts"
import type { Cluster } from "./Cluster.ts"
import * as IdempotencyIndex from "./IdempotencyIndex.ts"
import { keyReader } from "./keyValue.ts"
import type { Connect } from "./ProducerSupervisor.ts"
import * as StreamLog from "./StreamLog.ts"

/** Each reads the keys of its topic. */
const openedAtOnce = 4

const unknownVersion = (stream: string, version: number) =>
  LogUnavailable.because("append", `version ${version} of the stream ${stream} is not known here; try again`)

export const make = Effect.gen(function* () {
  const streams = yield* Streams
  const context = yield* Effect.context<Cluster | Admin>()
  const scope = yield* Effect.scope
  const admin = yield* Admin
  const connect: Connect = (...args) => Effect.provideService(BatchProducer.connect(...args), Admin, admin)
  const budget = IdempotencyIndex.makeBudget(yield* keysMax)
  const logs = new Map<string, Deferred.Deferred<StreamLog.StreamLog>>()

  const keyReadersOf = (stream: string): StreamLog.KeyReaders => {
    const readers = new Map<number, ReturnType<typeof keyReader>>()
    return Effect.fnUntraced(function* (version) {
      const known = readers.get(version)
      if (known !== undefined) return known
      const history = yield* Effect.catchTag(streams.history(stream), "LogCorrupt", (corrupt) =>
        Effect.fail(LogUnavailable.because("append", corrupt.message.replace(/\.$/, ""), corrupt))
      )
      for (const { definition, version } of history) readers.set(version, keyReader(definition.key))
      return readers.get(version) ?? (yield* unknownVersion(stream, version))
    })
  }

  const open = (stream: string) => {
    const opened = Deferred.makeUnsafe<StreamLog.StreamLog>()
    logs.set(stream, opened)
    return StreamLog.make(stream, { connect, budget, keyReaders: keyReadersOf(stream) }).pipe(
      Effect.provideContext(context),
      Scope.provide(scope),
      Effect.orDie,
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) logs.delete(stream)
          Deferred.doneUnsafe(opened, exit)
        })
      ),
      Effect.forkIn(scope),
      Effect.andThen(Deferred.await(opened))
    )
  }

  const of = (stream: string) => {
    const known = logs.get(stream)
    return known === undefined ? Effect.suspend(() => open(stream)) : Deferred.await(known)
  }

  const openAll = Effect.flatMap(streams.all, (all) =>
    Effect.forEach(
      all.filter(
        ({ definition }) => definition.name !== weatherStream.definition.name && definition.writer === undefined
      ),
      ({ definition }) => of(definition.name),
      { concurrency: openedAtOnce, discard: true }
    )
  )
  yield* openAll.pipe(Effect.retry(monotonic(Schedule.spaced("2 seconds"))), Effect.ignoreCause, Effect.forkIn(scope))

  return {
    append: (request: StreamLog.StreamAppend): ReturnType<EventLog["Service"]["append"]> =>
      Effect.flatMap(of(request.stream), (log) => log.append(request))
  }
})
