import { hostname } from "node:os"
import { Clock, Duration, Effect, Layer, RcRef, Schedule, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { Leases, LeaseUnavailable } from "../../services/Leases.ts"
import { type Control, open } from "./Control.ts"

const expiry = Duration.seconds(30)
const renewal = Duration.seconds(5)
/** How long the control database stays open after its last use. */
const idle = Duration.minutes(1)

const Lease = Schema.Struct({
  id: Schema.Int,
  snapshotId: Schema.Int,
  host: Schema.String,
  processId: Schema.Int,
  expiresAt: Schema.Int
})

const unavailable = (operation: string) =>
  Effect.mapError((cause: Error) => new LeaseUnavailable({ operation, reason: cause.message, cause }))

const isGone = (processId: number) => {
  try {
    process.kill(processId, 0)
    return false
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "ESRCH"
  }
}

export const layer = Layer.effect(
  Leases,
  Effect.gen(function* () {
    const { control } = yield* DataFolder
    // Opened by the first lease: who finds no table to read must not leave a database behind.
    const opened = yield* RcRef.make({ acquire: open(control), idleTimeToLive: idle })
    // Process ids mean nothing on another machine or in another container: there only the expiry counts.
    const host = hostname()

    const take = Effect.fnUntraced(function* (control: Control, snapshotId: number) {
      const { id } = yield* control.change(
        "INSERT INTO leases (snapshotId, host, processId, expiresAt) VALUES (?, ?, ?, ?)",
        snapshotId,
        host,
        process.pid,
        (yield* Clock.currentTimeMillis) + Duration.toMillis(expiry)
      )
      return id
    })

    const renew = Effect.fnUntraced(function* (control: Control, id: number, snapshotId: number) {
      // Inserted again when it was swept away, as after a suspension of the machine.
      yield* control.change(
        `INSERT INTO leases (id, snapshotId, host, processId, expiresAt) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET expiresAt = excluded.expiresAt`,
        id,
        snapshotId,
        host,
        process.pid,
        (yield* Clock.currentTimeMillis) + Duration.toMillis(expiry)
      )
    })

    const hold = Effect.fn("Leases.hold")(function* (snapshotId: number) {
      const control = yield* RcRef.get(opened).pipe(unavailable("open"))
      const id = yield* Effect.acquireRelease(take(control, snapshotId).pipe(unavailable("hold")), (id) =>
        // What cannot be deleted now expires.
        Effect.ignore(control.change("DELETE FROM leases WHERE id = ?", id))
      )
      yield* renew(control, id, snapshotId).pipe(
        Effect.ignore,
        Effect.delay(renewal),
        Effect.repeat(Schedule.forever),
        Effect.forkScoped
      )
    })

    const held = Effect.gen(function* () {
      const control = yield* RcRef.get(opened)
      const now = yield* Clock.currentTimeMillis
      const leases = yield* control.rows(Lease, "SELECT id, snapshotId, host, processId, expiresAt FROM leases")
      const snapshots = new Set<number>()
      for (const lease of leases) {
        const dead = lease.expiresAt <= now || (lease.host === host && isGone(lease.processId))
        if (!dead) snapshots.add(lease.snapshotId)
        // On a full disk it stays, and must not keep upkeep from making room.
        else
          yield* Effect.ignore(
            control.change("DELETE FROM leases WHERE id = ? AND expiresAt = ?", lease.id, lease.expiresAt)
          )
      }
      return snapshots
    }).pipe(Effect.scoped, unavailable("held"), Effect.withSpan("Leases.held"))

    return Leases.of({ hold, held })
  })
)
