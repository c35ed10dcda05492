/** Waiting for a condition without sleeping: it is looked at now, and again after each change that is announced. */
import { existsSync, watch } from "node:fs"
import { dirname } from "node:path"
import { Context, Deferred, Effect, Layer, Schedule, type Scope } from "effect"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import { TableWriter } from "../../services/TableWriter.ts"

/** `watched` starts to watch; its result waits for the next change. */
const waitFor = Effect.fnUntraced(function* <A, E, R, R2>(
  watched: Effect.Effect<Effect.Effect<unknown>, never, R2 | Scope.Scope>,
  effect: Effect.Effect<A, E, R>,
  holds: (value: A) => boolean
) {
  for (;;) {
    const look = Effect.gen(function* () {
      const changed = yield* watched
      const value = yield* effect
      if (!holds(value)) yield* changed
      return { value, held: holds(value) }
    })
    const { held, value } = yield* Effect.scoped(look)
    if (held) return value
  }
})

/** Announces what the services of this process do, which a test would have to poll otherwise. */
export class Announcements extends Context.Service<
  Announcements,
  { readonly announce: Effect.Effect<void>; readonly next: Effect.Effect<Effect.Effect<void>> }
>()("floe/test/Announcements") {
  static readonly layer = Layer.sync(Announcements, () => {
    let change = Deferred.makeUnsafe<void>()
    return {
      announce: Effect.sync(() => {
        Deferred.doneUnsafe(change, Effect.void)
        change = Deferred.makeUnsafe<void>()
      }),
      next: Effect.sync(() => Deferred.await(change))
    }
  })
}

/** Waits until the result holds. Evaluates it again after each announcement. */
export const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.flatMap(Announcements, ({ next }) => waitFor(next, effect, holds))

/** The writer, which announces what it has staged and committed. */
export const announcingWriter = Effect.fnUntraced(function* (writer: TableWriter["Service"]) {
  const { announce } = yield* Announcements
  return TableWriter.of({
    ...writer,
    stage: (records) => Effect.ensuring(writer.stage(records), announce),
    commit: (progress) => Effect.ensuring(writer.commit(progress), announce),
    promote: (...options) => Effect.ensuring(writer.promote(...options), announce)
  })
})

/** The sink's control database, which announces what this process writes into it. */
export const announcingControl = Layer.effect(
  SinkControl,
  Effect.gen(function* () {
    const { announce } = yield* Announcements
    const control = yield* SinkControl
    return SinkControl.of({
      ...control,
      mark: (...request) => Effect.ensuring(control.mark(...request), announce),
      report: (...status) => Effect.ensuring(control.report(...status), announce)
    })
  })
).pipe(Layer.provide(SinkControl.layer))

const nearest = (path: string): string => (existsSync(path) ? path : nearest(dirname(path)))

const watchPath = (path: string) =>
  Effect.gen(function* () {
    const changed = Deferred.makeUnsafe<void>()
    const done = () => void Deferred.doneUnsafe(changed, Effect.void)
    const start = Effect.try(() => watch(nearest(path), done).on("error", done))
    yield* Effect.acquireRelease(start, (watcher) => Effect.sync(() => watcher.close())).pipe(
      // The folder was removed in between.
      Effect.catch(() => Effect.sync(done))
    )
    // Changes come in bursts, and looking at a SQLite database can itself change its files.
    return Effect.andThen(Deferred.await(changed), Effect.sleep("10 millis"))
  })

/**
 * Waits until the result holds. Evaluates it again when the file or folder at `path`, or the nearest folder above it that
 * exists, changes.
 */
export const onDisk = <A, E, R>(path: string, effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  waitFor(watchPath(path), effect, holds)

export const exists = (path: string) =>
  onDisk(
    path,
    Effect.sync(() => existsSync(path)),
    Boolean
  )

/**
 * Polls until the result holds. Only for what nothing announces: what another process has open, or has failed to write,
 * and what comes true merely because time passes for another process.
 */
export const poll = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  effect.pipe(Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: holds }), Effect.timeout("30 seconds"))
