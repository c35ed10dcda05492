/** A log in memory whose appends wait until they are released, and that can be made to fail. */
import { Context, Deferred, Effect, Layer, Queue } from "effect"
import * as Memory from "../../layers/log/memory/EventLog.ts"
import { AppendOutcomeUnknown, DiskFull, EventLog, KeyInFlight, LogUnavailable } from "../../services/EventLog.ts"

export class Gate extends Context.Service<
  Gate,
  {
    /** Completes when an append is waiting. */
    readonly arrived: Effect.Effect<unknown>
    /** Releases all appends, now and later. */
    readonly open: Effect.Effect<unknown>
  }
>()("floe/test/Gate") {}

export const held = Layer.effectContext(
  Effect.gen(function* () {
    const log = yield* EventLog
    const gate = yield* Deferred.make<void>()
    const arrivals = yield* Queue.unbounded<void>()
    const append: typeof log.append = (append) =>
      Queue.offer(arrivals, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.andThen(log.append(append)))
    return Context.make(EventLog, EventLog.of({ ...log, append })).pipe(
      Context.add(Gate, Gate.of({ arrived: Queue.take(arrivals), open: Deferred.succeed(gate, undefined) }))
    )
  })
).pipe(Layer.provideMerge(Memory.layer))

const full = new LogUnavailable({ operation: "append", reason: new DiskFull(), cause: "ENOSPC" })

const silent = new AppendOutcomeUnknown({
  operation: "append",
  reason: "the broker was silent for 4 s",
  cause: "a test"
})

export class Disk extends Context.Service<Disk, { full: boolean; silent: boolean }>()("floe/test/Disk") {}

/** Fails while the disk is full; while it is silent, it logs without acknowledging. */
export const onDisk = Layer.effectContext(
  Effect.gen(function* () {
    const log = yield* EventLog
    const disk = { full: false, silent: false }
    const check = Effect.suspend(() => (disk.full ? Effect.fail(full) : Effect.void))
    const append: typeof log.append = (append) =>
      Effect.andThen(check, log.append(append)).pipe(
        Effect.filterOrFail(
          () => !disk.silent,
          () => silent
        )
      )
    return Context.make(EventLog, EventLog.of({ ...log, append, ready: check })).pipe(Context.add(Disk, disk))
  })
).pipe(Layer.provideMerge(Memory.layer))

/** A log in which every key is in flight. */
export const contended = Layer.effect(
  EventLog,
  Effect.map(EventLog, (log) => EventLog.of({ ...log, append: () => Effect.fail(new KeyInFlight()) }))
).pipe(Layer.provideMerge(Memory.layer))

/** A log that fails with a defect. */
export const defective = Layer.effect(
  EventLog,
  Effect.map(EventLog, (log) => EventLog.of({ ...log, append: () => Effect.die(new Error("secret of the house")) }))
).pipe(Layer.provideMerge(Memory.layer))
